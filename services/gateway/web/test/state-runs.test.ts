import { describe, expect, test } from 'vitest';
import type { Message } from '../src/protocol';
import type { Event, Run, State } from '../src/state/model';
import { reduce } from '../src/state/reduce';
import { MAX_CLOSED_RUN, MAX_RUN, MAX_RUNS } from '../src/state/runs';
import { conversation, message, run, state, WITH_BEN } from './support/samples';

type Page = Extract<Event, { kind: 'page' }>;

const messages = (from: number, to: number): Message[] =>
  Array.from({ length: to - from + 1 }, (_, index) => message(from + index));

const page = (place: Page['place'], held: readonly Message[], more: Partial<Page> = {}): Page => ({
  ...{ kind: 'page', conversationId: WITH_BEN, messages: held, members: [], place },
  ...{ reachesStart: false, reachesEnd: false },
  ...more,
});

/** Ann knows the messages up to `lastSeq`, and holds a run. */
function holding(held: Run, lastSeq = held.messages.at(-1)?.seq ?? 0): State {
  const lastMessage = lastSeq > 0 ? message(lastSeq) : null;
  const known = conversation('ben', { rev: lastSeq, lastSeq, lastMessage });
  return state([known], { runs: new Map([[WITH_BEN, held]]), cursors: { [WITH_BEN]: lastSeq } });
}

const live = (of: Message): Event => ({ kind: 'frame', frame: { type: 'message', ...of }, isLive: true, nowMs: 0 });
const runOf = (known: State): Run | undefined => known.runs.get(WITH_BEN);
const seqs = (known: State): number[] | undefined => runOf(known)?.messages.map(({ seq }) => seq);

describe('a live message', () => {
  test('is put at the end, and all others stay the same objects', () => {
    const before = holding(run(messages(1, 3)));
    const after = reduce(before, live(message(4)));
    expect(runOf(after)).toEqual(run(messages(1, 4)));
    expect(runOf(after)?.messages[2]).toBe(runOf(before)?.messages[2]);
  });

  test('is not put at the end of a run that does not reach it', () => {
    const before = holding(run(messages(1, 3), { reachesEnd: false }), 9);
    expect(runOf(reduce(before, live(message(10))))).toBe(runOf(before));
    expect(runOf(reduce(before, live(message(4, { rev: 10 }))))).toBe(runOf(before));
  });

  test('begins the run of a conversation that had none', () => {
    const begun = reduce(state(), {
      kind: 'begun',
      conversationId: WITH_BEN,
      peer: { username: 'ben', displayName: 'Ben' },
    });
    const whole = { reachesStart: true, reachesEnd: true };
    const opened = reduce(begun, page('instead', [], whole));
    expect(runOf(opened)).toEqual({ messages: [], ...whole });
    expect(runOf(reduce(opened, live(message(1))))).toEqual(run(messages(1, 1)));
  });

  test('changes nothing where it is held already', () => {
    const before = holding(run(messages(1, 3)));
    expect(reduce(before, live(message(3)))).toBe(before);
    expect(reduce(before, live(message(2)))).toBe(before);
  });

  test('takes the place of an older version, which keeps its client id', () => {
    const own = message(2, { id: 'c2', sender: 'ann' });
    const before = holding(run([message(1), own, message(3)]));
    const after = reduce(before, live(message(2, { rev: 4, sender: 'ann', content: 'edited' })));
    expect(runOf(after)?.messages[1]).toEqual(message(2, { id: 'c2', rev: 4, sender: 'ann', content: 'edited' }));
    expect(runOf(after)?.messages[0]).toBe(runOf(before)?.messages[0]);
    expect(after.cursors[WITH_BEN]).toBe(4);
  });

  test('is dropped where a newer version is held', () => {
    const before = holding(run([message(1), message(2, { rev: 3, content: 'edited' })]));
    expect(reduce(before, live(message(2, { rev: 2 })))).toBe(before);
  });

  test('pushes out the oldest of a full run, which does not reach the start any more', () => {
    const after = reduce(holding(run(messages(1, MAX_RUN))), live(message(MAX_RUN + 1)));
    expect(runOf(after)).toEqual(run(messages(2, MAX_RUN + 1), { reachesStart: false }));
  });
});

describe('a message that is replayed', () => {
  const replayed = (of: Message): Event => ({
    kind: 'frame',
    frame: { type: 'message', ...of },
    isLive: false,
    nowMs: 0,
  });

  test('grows the run, and leaves the cursor', () => {
    const after = reduce(holding(run(messages(1, 3))), replayed(message(4)));
    expect(seqs(after)).toEqual([1, 2, 3, 4]);
    expect(after.cursors[WITH_BEN]).toBe(3);
  });

  test('further on than the next one shows that the run does not reach the end', () => {
    const after = reduce(holding(run(messages(1, 3))), replayed(message(6)));
    expect(runOf(after)).toEqual(run(messages(1, 3), { reachesEnd: false }));
  });
});

describe('a page', () => {
  test('of older messages is put before, without those that are held', () => {
    const before = holding(run(messages(5, 8), { reachesStart: false }));
    const after = reduce(before, page('older', messages(1, 5), { reachesStart: true, reachesEnd: false }));
    expect(runOf(after)).toEqual(run(messages(1, 8)));
    expect(runOf(after)?.messages.at(-1)).toBe(runOf(before)?.messages.at(-1));
  });

  test('of newer messages is put behind', () => {
    const before = holding(run(messages(1, 3), { reachesEnd: false }), 6);
    const after = reduce(before, page('newer', messages(4, 6), { reachesStart: false, reachesEnd: true }));
    expect(runOf(after)).toEqual(run(messages(1, 6)));
  });

  test('without messages says that nothing is further on', () => {
    const inside = run(messages(1, 3), { reachesStart: false, reachesEnd: false });
    expect(runOf(reduce(holding(inside, 3), page('older', [], { reachesStart: true })))?.reachesStart).toBe(true);
    expect(runOf(reduce(holding(inside, 3), page('newer', [], { reachesEnd: true })))?.reachesEnd).toBe(true);
  });

  test.each<[string, Page]>([
    ['older', page('older', messages(1, 3))],
    ['newer', page('newer', messages(10, 12))],
  ])('of %s messages that does not adjoin the run is not used', (_, answer) => {
    const before = holding(run(messages(5, 8), { reachesStart: false, reachesEnd: false }), 12);
    expect(reduce(before, answer)).toBe(before);
  });

  test.each<Page['place']>(['older', 'newer'])('of %s messages for a run that is gone is not used', place => {
    const before = state([conversation('ben')]);
    expect(reduce(before, page(place, messages(1, 3)))).toBe(before);
  });

  test('takes the place of the run; versions that are held stay, newer ones come', () => {
    const before = holding(run(messages(5, 8)));
    const edited = message(6, { rev: 9 });
    const after = reduce(before, page('instead', [message(4), message(5), edited]));
    expect(runOf(after)).toEqual({
      messages: [message(4), message(5), edited],
      reachesStart: false,
      reachesEnd: false,
    });
    expect(runOf(after)?.messages[1]).toBe(runOf(before)?.messages[0]);
  });

  test('that says the same changes nothing', () => {
    const before = holding(run(messages(1, 3)));
    expect(reduce(before, page('instead', messages(1, 3), { reachesStart: true, reachesEnd: true }))).toBe(before);
  });

  test('is kept without what an answer says beside the message', () => {
    const items = [{ ...message(1), status: 'read', delivered_at: null, read_at: null } as const];
    const after = reduce(holding(run([])), page('instead', items, { reachesStart: true, reachesEnd: true }));
    expect(runOf(after)?.messages).toEqual([message(1)]);
  });

  test('with a hole is cut at it', () => {
    const holed = [...messages(1, 2), ...messages(4, 5)];
    const whole = { reachesStart: true, reachesEnd: true };
    const empty = holding(run([]), 5);
    expect(runOf(reduce(empty, page('instead', holed, whole)))).toEqual(run(messages(4, 5), { reachesStart: false }));
    const older = reduce(holding(run(messages(6, 7), { reachesStart: false })), page('older', holed, whole));
    expect(runOf(older)).toEqual(run(messages(4, 7), { reachesStart: false }));
    const inside = run([message(1)], { reachesEnd: false });
    const newer = reduce(holding(inside, 5), page('newer', holed, whole));
    expect(runOf(newer)).toEqual(run(messages(1, 2), { reachesEnd: false }));
  });

  test('at the start pushes out the newest of a full run, which does not reach the end any more', () => {
    const before = holding(run(messages(11, MAX_RUN + 10), { reachesStart: false }));
    const after = reduce(before, page('older', messages(1, 10), { reachesStart: true }));
    expect(runOf(after)).toEqual(run(messages(1, MAX_RUN), { reachesEnd: false }));
  });

  test('at the end pushes out the oldest', () => {
    const before = holding(run(messages(1, MAX_RUN), { reachesEnd: false }), MAX_RUN + 10);
    const after = reduce(before, page('newer', messages(MAX_RUN + 1, MAX_RUN + 10), { reachesEnd: true }));
    expect(runOf(after)).toEqual(run(messages(11, MAX_RUN + 10), { reachesStart: false }));
  });

  test('longer than a run keeps its newest', () => {
    const whole = { reachesStart: true, reachesEnd: true };
    const after = reduce(holding(run([]), MAX_RUN + 1), page('instead', messages(1, MAX_RUN + 1), whole));
    expect(runOf(after)).toEqual(run(messages(2, MAX_RUN + 1), { reachesStart: false }));
  });

  test('that was read before the last message came is made whole by it', () => {
    const whole = { reachesStart: true, reachesEnd: true };
    expect(runOf(reduce(holding(run([]), 4), page('instead', messages(1, 3), whole)))).toEqual(run(messages(1, 4)));
    const older = runOf(reduce(holding(run([]), 5), page('instead', messages(1, 3), whole)));
    expect(older).toEqual(run(messages(1, 3), { reachesEnd: false }));
  });
});

describe('a run', () => {
  test('that is closed keeps its newest', () => {
    const after = reduce(holding(run(messages(1, 150))), { kind: 'closed', conversationId: WITH_BEN });
    expect(runOf(after)).toEqual(run(messages(150 - MAX_CLOSED_RUN + 1, 150), { reachesStart: false }));
    const short = reduce(holding(run(messages(1, 3))), { kind: 'closed', conversationId: WITH_BEN });
    expect(runOf(short)).toEqual(run(messages(1, 3)));
  });

  test('that is closed away from the end goes', () => {
    const before = holding(run(messages(1, 3), { reachesEnd: false }), 9);
    const after = reduce(before, { kind: 'closed', conversationId: WITH_BEN });
    expect(after.runs.size).toBe(0);
    expect(reduce(after, { kind: 'closed', conversationId: WITH_BEN })).toBe(after);
  });

  test('goes where it was read or closed least recently, when there are too many', () => {
    const read = (known: State, id: string): State =>
      reduce(known, { ...page('instead', [message(1, { conversation_id: id })]), conversationId: id });
    let known = state();
    for (let n = 1; n <= MAX_RUNS; n++) known = read(known, `dk-${n}`);
    known = reduce(known, { ...page('older', [], { reachesStart: true }), conversationId: 'dk-1' });
    known = read(known, 'dk-new');
    expect(known.runs.size).toBe(MAX_RUNS);
    expect([known.runs.has('dk-1'), known.runs.has('dk-2'), known.runs.has('dk-new')]).toEqual([true, false, true]);
  });
});
