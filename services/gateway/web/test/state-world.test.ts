import { expect, test } from 'vitest';
import type { Message } from '../src/protocol';
import type { State } from '../src/state/model';
import { initial, reduce } from '../src/state/reduce';
import { messageState } from '../src/state/select';
import type { Server } from './state-server';
import { type Conditions, ME, World } from './state-world';

/** A world has 180 steps. */
const SEEDS = 50;
const TIMEOUT_MS = 60_000;
const CALM: Conditions = { lost: 0, late: 0, twice: 0, edits: false, polls: false, restores: false, listed: Infinity };

/** What somebody who comes now is told. */
function fresh(server: Server): State {
  const listed = reduce(initial(ME), { kind: 'listed', ...server.list() });
  const frame = { type: 'caught_up', replayed: 0, cursors: revs(server) } as const;
  return reduce(listed, { kind: 'frame', frame, isLive: false, nowMs: 0 });
}

const revs = (server: Server): Record<string, number> =>
  Object.fromEntries(server.existing.map(({ id, rev }) => [id, rev]));

/** What of a state can be seen. The user's own `delivered` is the server's business. */
function seen(state: State, server: Server, ids: ReadonlySet<string>): unknown {
  return server.existing
    .filter(({ id }) => ids.has(id))
    .map(stored => {
      const conversation = state.conversations.get(stored.id);
      if (!conversation) return [stored.id, 'is not in the list'];
      const { members, rev: _rev, ...rest } = conversation;
      const own = stored.messages.filter(({ sender }) => sender === ME.username);
      return {
        ...rest,
        readSeqs: Object.fromEntries([...members.values()].map(({ username, readSeq }) => [username, readSeq])),
        states: own.map(message => messageState(conversation, message, ME.username)),
        cursor: state.cursors[stored.id],
      };
    });
}

/** No run has a hole. One that reaches the end of a conversation that is not stale has all up to the cursor. */
function wrongRuns(state: State, server: Server): string[] {
  const wrong: string[] = [];
  for (const [id, { messages, reachesStart, reachesEnd }] of state.runs) {
    const first = messages[0]?.seq ?? 1;
    if (messages.some(({ seq }, index) => seq !== first + index)) wrong.push(`${id} has a hole`);
    if (reachesStart && first !== 1) wrong.push(`${id} does not reach its start`);
    const conversation = state.conversations.get(id);
    if (!reachesEnd || !conversation || conversation.isStale || state.epoch !== server.epoch) continue;
    const [last, cursor] = [first + messages.length - 1, state.cursors[id] ?? 0];
    const stored = server.conversations.get(id)?.messages ?? [];
    if (stored.some(({ seq, rev }) => seq > last && rev <= cursor)) wrong.push(`${id} does not reach its end`);
  }
  return wrong;
}

/** Watermarks only grow while the history is the same, and what was read was delivered. */
function wrongWatermarks(before: State, after: State): string[] {
  const wrong: string[] = [];
  if (before.epoch !== after.epoch) return wrong;
  for (const [id, { members }] of before.conversations) {
    for (const { username, deliveredSeq, readSeq } of members.values()) {
      const member = after.conversations.get(id)?.members.get(username);
      if (!member || member.deliveredSeq < deliveredSeq || member.readSeq < readSeq)
        wrong.push(`${username} went back`);
      else if (member.deliveredSeq < member.readSeq) wrong.push(`${username} read what is not delivered`);
    }
  }
  return wrong;
}

function checkSettled({ state, server, conditions }: World, when: string): void {
  const onFirstPage = server.list(conditions.listed).views.map(view => view.conversation_id);
  const ids = new Set([...onFirstPage, ...state.conversations.keys()]);
  expect(seen(state, server, ids), when).toEqual(seen(fresh(server), server, ids));
  expect(state.cursors, when).toEqual(revs(server));
  expect([...state.behind, ...state.told, ...state.heldBack.keys()], when).toEqual([]);
  for (const [id, run] of state.runs) {
    if (!run.reachesEnd) continue;
    const messages = server.conversations.get(id)?.messages ?? [];
    const end = messages.slice(messages.length - run.messages.length);
    // A page does not tell how old its versions are: one that comes late may hold what was edited meanwhile.
    const version = ({ message_id, rev }: Message): unknown => [message_id, conditions.edits ? 0 : rev];
    expect(run.messages.map(version), when).toEqual(end.map(version));
  }
}

test.each<[string, Conditions]>([
  ['on a network that loses nothing', CALM],
  ['with holes, late frames and duplicates', { ...CALM, lost: 0.1, late: 0.15, twice: 0.1 }],
  ['with edits', { ...CALM, lost: 0.05, late: 0.05, edits: true }],
  ['with a list that is read in part', { ...CALM, lost: 0.05, late: 0.05, listed: 2 }],
  ['with long polls beside the socket', { ...CALM, lost: 0.05, late: 0.05, polls: true, edits: true }],
  ['over restores with another epoch', { ...CALM, lost: 0.05, late: 0.05, polls: true, restores: true }],
])(
  'a snapshot and events say what a fresh snapshot says, %s',
  (_, conditions) => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = new World(seed, conditions);
      for (let part = 0; part < 3; part++) {
        for (let n = 0; n < 60; n++) {
          const before = world.state;
          world.step();
          const wrong = [...wrongRuns(world.state, world.server), ...wrongWatermarks(before, world.state)];
          if (wrong.length > 0) expect(wrong, `seed ${seed}, part ${part}, step ${n}`).toEqual([]);
        }
        world.settle();
        checkSettled(world, `seed ${seed}, part ${part}`);
      }
    }
  },
  TIMEOUT_MS,
);
