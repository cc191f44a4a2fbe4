import { describe, expect, test } from 'vitest';
import type { CaughtUpFrame, Message, ServerFrame } from '../src/protocol';
import { MAX_HELD_BACK, MAX_HOLES } from '../src/state/cursors';
import type { Event, State } from '../src/state/model';
import { reduce } from '../src/state/reduce';
import { ANN, conversation, member, membersOf, message, run, state, WITH_BEN } from './support/samples';

const frame = (sent: ServerFrame, isLive = true): Event => ({ kind: 'frame', frame: sent, isLive, nowMs: 0 });
const live = (of: Message): Event => frame({ type: 'message', ...of });
const after = (known: State, ...events: Event[]): State => events.reduce(reduce, known);
const synced = (of: Message[], rev: number, complete = true): Event => ({
  ...{ kind: 'synced', conversationId: WITH_BEN, messages: of, members: [], rev, complete },
});
const caughtUp = (cursors: CaughtUpFrame['cursors'], more?: string[]): Event =>
  frame({ type: 'caught_up', replayed: 0, cursors, ...(more ? { more } : {}) }, false);

/** Ann has caught up with Ben's three messages, and looks at them. */
const KNOWN = state(
  [conversation('ben', { rev: 3, lastSeq: 3, lastMessage: message(3), unread: 3, firstUnreadSeq: 1 })],
  {
    cursors: { [WITH_BEN]: 3 },
    runs: new Map([[WITH_BEN, run([message(1), message(2), message(3)])]]),
  },
);

const seqs = (known: State): number[] | undefined => known.runs.get(WITH_BEN)?.messages.map(({ seq }) => seq);
const unread = (known: State): number | undefined => known.conversations.get(WITH_BEN)?.unread;
const isStale = (known: State): boolean | undefined => known.conversations.get(WITH_BEN)?.isStale;

describe('a hole between live frames', () => {
  const behind = after(KNOWN, live(message(5)));

  test('holds back what is above it', () => {
    expect(behind.behind).toEqual(new Set([WITH_BEN]));
    expect(behind.heldBack).toEqual(new Map([[WITH_BEN, [message(5)]]]));
    expect(behind.cursors).toBe(KNOWN.cursors);
    expect(behind.conversations).toBe(KNOWN.conversations);
    expect(behind.runs).toBe(KNOWN.runs);
  });

  test('is filled by a late frame', () => {
    const filled = after(behind, live(message(6)), live(message(4)));
    expect([seqs(filled), unread(filled), filled.cursors[WITH_BEN]]).toEqual([[1, 2, 3, 4, 5, 6], 6, 6]);
    expect([filled.behind.size, filled.heldBack.size]).toEqual([0, 0]);
  });

  test('is filled by what is synced, and what came meanwhile follows', () => {
    const filled = after(behind, live(message(6)), synced([message(4), message(5)], 5));
    expect([seqs(filled), unread(filled), filled.cursors[WITH_BEN]]).toEqual([[1, 2, 3, 4, 5, 6], 6, 6]);
    expect([filled.behind.size, filled.heldBack.size]).toEqual([0, 0]);
  });

  test('stays while there is another one above', () => {
    const partly = after(behind, live(message(7)), live(message(4)));
    expect([seqs(partly), partly.cursors[WITH_BEN]]).toEqual([[1, 2, 3, 4, 5], 5]);
    expect(partly.behind.has(WITH_BEN)).toBe(true);
    expect(partly.heldBack.get(WITH_BEN)).toEqual([message(7)]);
    const wholly = after(partly, synced([message(6)], 6));
    expect([seqs(wholly), wholly.cursors[WITH_BEN], wholly.behind.size]).toEqual([[1, 2, 3, 4, 5, 6, 7], 7, 0]);
  });

  test('is gone on with page by page', () => {
    const first = after(behind, live(message(8)), synced([message(4), message(5)], 5, false));
    expect([first.cursors[WITH_BEN], first.behind.has(WITH_BEN)]).toEqual([5, true]);
    const second = after(first, synced([message(6), message(7)], 7));
    expect([seqs(second), second.cursors[WITH_BEN]]).toEqual([[1, 2, 3, 4, 5, 6, 7, 8], 8]);
    expect(second.behind.size).toBe(0);
  });

  test('is filled by an own message, and shows behind one', () => {
    const stored = (seq: number): Event => ({ kind: 'stored', message: message(seq, { sender: 'ann' }), isLive: true });
    expect(after(KNOWN, stored(5)).heldBack.get(WITH_BEN)?.length).toBe(1);
    expect(seqs(after(behind, stored(4)))).toEqual([1, 2, 3, 4, 5]);
  });

  test('takes a frame that comes twice once', () => {
    expect(after(behind, live(message(5)))).toBe(behind);
  });

  test('is put right by what is replayed after a new connection', () => {
    const again = after(
      behind,
      { kind: 'disconnected' },
      frame({ type: 'message', ...message(4) }, false),
      frame({ type: 'message', ...message(5) }, false),
      caughtUp({ [WITH_BEN]: 5 }),
    );
    expect([seqs(again), unread(again), again.cursors[WITH_BEN]]).toEqual([[1, 2, 3, 4, 5], 5, 5]);
    expect([again.behind.size, again.heldBack.size]).toEqual([0, 0]);
  });

  test('holds back only so much; the rest has to be fetched', () => {
    let known = KNOWN;
    for (let n = 0; n <= MAX_HELD_BACK; n++) known = after(known, live(message(5 + n)));
    expect(known.heldBack.get(WITH_BEN)?.length).toBe(MAX_HELD_BACK);
    expect(known.told.has(WITH_BEN)).toBe(true);
    const filled = after(known, live(message(4)));
    expect([filled.cursors[WITH_BEN], filled.behind.has(WITH_BEN)]).toEqual([4 + MAX_HELD_BACK, true]);
  });

  test('is held open in so many conversations', () => {
    let known = state();
    for (let n = 0; n <= MAX_HOLES; n++) {
      const id = `dk-${n}`;
      known = after(known, live(message(1, { conversation_id: id })), live(message(3, { conversation_id: id })));
    }
    expect([known.heldBack.size, known.behind.size, known.told.size]).toEqual([MAX_HOLES, MAX_HOLES + 1, 1]);
  });
});

describe('the first live frame of a conversation without a cursor', () => {
  test('sets the base', () => {
    expect(after(state(), live(message(7))).cursors).toEqual({ [WITH_BEN]: 7 });
  });

  test('shows a hole where the list knows how far the conversation is', () => {
    const listed = { ...KNOWN, cursors: {} };
    expect(after(listed, live(message(4))).cursors).toEqual({ [WITH_BEN]: 4 });
    const holed = after(listed, live(message(5)));
    expect([holed.cursors[WITH_BEN], holed.behind.has(WITH_BEN)]).toEqual([3, true]);
  });
});

describe('caught_up', () => {
  test('takes the place of all cursors, also of higher ones', () => {
    const known = after(KNOWN, caughtUp({ [WITH_BEN]: 2, 'dk-cat': 9 }));
    expect(known.cursors).toEqual({ [WITH_BEN]: 2, 'dk-cat': 9 });
  });

  test('names what has to be fetched, and nothing else has to be', () => {
    const told = after(KNOWN, frame({ type: 'resync', reason: 'gap', conversation_id: WITH_BEN }));
    expect(after(told, caughtUp({ [WITH_BEN]: 3 })).behind.size).toBe(0);
    const more = after(told, caughtUp({ [WITH_BEN]: 3, 'dk-cat': 1 }, ['dk-cat']));
    expect([...more.behind, ...more.told]).toEqual(['dk-cat', 'dk-cat']);
  });

  test('that says nothing new changes nothing', () => {
    expect(after(KNOWN, caughtUp({ [WITH_BEN]: 3 }))).toBe(KNOWN);
  });

  test('beyond what came shows that another device had it: the conversation is fetched, and the run goes on by pages', () => {
    const known = after(KNOWN, caughtUp({ [WITH_BEN]: 5 }));
    expect([isStale(known), known.runs.get(WITH_BEN)?.reachesEnd]).toEqual([true, false]);
  });

  test('with a conversation that was begun elsewhere brings it, to be fetched', () => {
    const known = after(KNOWN, caughtUp({ [WITH_BEN]: 3, 'dk-cat': 2 }));
    expect(known.conversations.get('dk-cat')?.isStale).toBe(true);
  });

  test('the first time names many that are on later pages of the list', () => {
    expect(after(state(), caughtUp({ 'dk-cat': 2 })).conversations.size).toBe(0);
  });

  test('is waited for by an own message that was stored above it: it is shown, and the end stays the end', () => {
    const own = { kind: 'stored', message: message(5, { sender: 'ann' }), isLive: false } as const;
    const stored = after(KNOWN, own);
    expect([seqs(stored), stored.runs.get(WITH_BEN)?.reachesEnd]).toEqual([[1, 2, 3], true]);
    expect(stored.heldBack.get(WITH_BEN)).toEqual([own.message]);
    const filled = after(stored, synced([message(4), own.message], 5), caughtUp({ [WITH_BEN]: 5 }));
    expect([seqs(filled), isStale(filled), filled.heldBack.size]).toEqual([[1, 2, 3, 4, 5], false, 0]);
  });

  test('goes on to own messages that were stored meanwhile', () => {
    const own = { kind: 'stored', message: message(4, { sender: 'ann' }), isLive: false } as const;
    const known = after(KNOWN, own);
    expect([seqs(known), known.cursors[WITH_BEN], known.behind.size]).toEqual([[1, 2, 3, 4], 3, 0]);
    const caught = after(known, caughtUp({ [WITH_BEN]: 3 }));
    expect([caught.cursors[WITH_BEN], caught.heldBack.size, caught.behind.size]).toEqual([4, 0, 0]);
  });
});

describe('what is synced', () => {
  test('never takes the cursor back', () => {
    expect(after(KNOWN, synced([message(2)], 2))).toBe(KNOWN);
  });

  test('comes in the order of revisions and is taken in the order of the conversation', () => {
    const edited = message(4, { rev: 6, content: 'edited' });
    const known = after(KNOWN, synced([message(5), edited], 6));
    expect([seqs(known), unread(known), isStale(known)]).toEqual([[1, 2, 3, 4, 5], 5, false]);
  });

  test('carries the watermarks', () => {
    const members = [{ username: 'ben', delivered_seq: 3, read_seq: 2 }];
    const page: Event = { kind: 'synced', conversationId: WITH_BEN, messages: [], members, rev: 3, complete: true };
    const ben = after(KNOWN, page).conversations.get(WITH_BEN)?.members.get('ben');
    expect([ben?.deliveredSeq, ben?.readSeq]).toEqual([3, 2]);
  });
});

describe('resync', () => {
  const resync: ServerFrame = { type: 'resync', reason: 'gap', conversation_id: WITH_BEN };

  test('has a conversation fetched; a live frame goes on, and does not settle it', () => {
    const told = after(KNOWN, frame(resync));
    expect([...told.behind, ...told.told]).toEqual([WITH_BEN, WITH_BEN]);
    const on = after(told, live(message(4)));
    expect([on.cursors[WITH_BEN], on.behind.has(WITH_BEN)]).toEqual([4, true]);
    expect(after(on, synced([], 4)).behind.size).toBe(0);
  });

  test('of everything is for the connection to answer', () => {
    expect(after(KNOWN, frame({ type: 'resync', reason: 'slow' }))).toBe(KNOWN);
  });

  test('before what was missed: nothing held of the conversation is certain, and all comes again', () => {
    const read = membersOf(member('ann', { deliveredSeq: 3, readSeq: 3 }), 'ben');
    const ahead = {
      ...KNOWN,
      conversations: new Map([[WITH_BEN, conversation('ben', { lastSeq: 3, rev: 3, members: read })]]),
    };
    const reset = after(ahead, frame(resync, false));
    expect([reset.cursors[WITH_BEN], reset.runs.size, isStale(reset)]).toEqual([0, 0, true]);
    const again = after(reset, frame({ type: 'message', ...message(1) }, false), caughtUp({ [WITH_BEN]: 1 }));
    expect(again.conversations.get(WITH_BEN)).toMatchObject({ lastSeq: 1, unread: 1, title: 'Ben' });
  });
});

describe('welcome', () => {
  const welcome = (epoch: string): Event =>
    frame({
      ...{ type: 'welcome', session_id: 's', user: state().me, epoch, heartbeat_ms: 20_000, limits: {} },
      server_time: message(1).sent_at,
    });

  test('with the epoch that is known changes nothing', () => {
    expect(after(KNOWN, welcome('e1'))).toBe(KNOWN);
  });

  test('with the first epoch keeps what was read before it', () => {
    const known = after({ ...KNOWN, epoch: '' }, welcome('e1'));
    expect([known.epoch, known.conversations.size]).toEqual(['e1', 1]);
  });

  test('with another epoch drops everything', () => {
    const known = after(KNOWN, welcome('e2'));
    expect(known).toEqual(state([], { epoch: 'e2' }));
    expect(known.me.username).toBe(ANN.username);
  });
});

test('frames that say nothing of the state change nothing', () => {
  const ack: ServerFrame = {
    ...{ type: 'ack', re: 'c1', message_id: 'm9', conversation_id: WITH_BEN, seq: 9, rev: 9, status: 'sent' },
    ...{ sent_at: message(9).sent_at, duplicate: false },
  };
  for (const each of [ack, { type: 'ping', n: 1 }, { type: 'pong', n: 1 }] as ServerFrame[]) {
    expect(after(KNOWN, frame(each))).toBe(KNOWN);
  }
});
