import { describe, expect, test } from 'vitest';
import type { Message } from '../src/protocol';
import type { Conversation, OutboxEntry, Run, State } from '../src/state/model';
import { reduce } from '../src/state/reduce';
import { type Row, type RowsInput, rows } from '../src/state/rows';
import { knownSeq } from '../src/state/select';
import { conversation, message, outboxEntry, run, START, state, WITH_BEN } from './support/samples';

const MINUTE_MS = 60_000;
const utcDay = (time: string): string => time.slice(0, 10);
const minute = (n: number): string => new Date(START + n * MINUTE_MS).toISOString();

/** What Ann sees of a run. */
function look(held: Run, input: Partial<RowsInput> = {}, more: Partial<State> = {}): readonly Row[] {
  const known = state([conversation('ben')], { runs: new Map([[WITH_BEN, held]]), ...more });
  return rows(known, WITH_BEN, { outbox: [], dividerSeq: null, dayOf: utcDay, ...input });
}

/** Rows in short: `[m1 m2]` are two messages that belong together, `+c1` is one that waits. */
function short(made: readonly Row[]): string {
  return made
    .map(row => {
      if (row.kind === 'day') return row.day;
      if (row.kind === 'unread') return `unread:${row.count}`;
      const name = row.kind === 'message' ? row.message.message_id : `+${row.entry.id}`;
      return `${row.isFirst ? '[' : ''}${name}${row.isLast ? ']' : ''}`;
    })
    .join(' ');
}

const FROM_BEN = [1, 2, 3].map(seq => message(seq));

describe('messages', () => {
  test('of one author within five minutes belong together', () => {
    const sent = [message(1), message(2), message(3, { sender: 'ann' }), message(4)];
    expect(short(look(run(sent)))).toBe('2026-11-22 [m1 m2] [m3] [m4]');
    const later = [message(1), message(2, { sent_at: minute(4.9) }), message(3, { sent_at: minute(9.9) })];
    expect(short(look(run(later)))).toBe('2026-11-22 [m1 m2] [m3]');
  });

  test('of another day stand under it', () => {
    const night = [
      message(1, { sent_at: '2026-11-22T23:59:00.000Z' }),
      message(2, { sent_at: '2026-11-23T00:00:00.000Z' }),
      message(3, { sent_at: '2026-11-23T00:01:00.000Z' }),
    ];
    expect(short(look(run(night)))).toBe('2026-11-22 [m1] 2026-11-23 [m2 m3]');
  });

  test('whose clocks differ do not begin a day twice', () => {
    const night = [
      message(1, { sent_at: '2026-11-22T23:59:00.000Z' }),
      message(2, { sent_at: '2026-11-23T00:00:00.000Z' }),
      message(3, { sent_at: '2026-11-22T23:59:59.900Z' }),
    ];
    expect(short(look(run(night)))).toBe('2026-11-22 [m1] 2026-11-23 [m2 m3]');
  });

  test('know whose they are, and are named by the client id where it is known', () => {
    const made = look(run([message(1), message(2, { sender: 'ann', id: 'c2' }), message(3, { sender: 'ann' })]));
    expect(made.slice(1)).toMatchObject([
      { key: 'm1', mine: false },
      { key: 'c2', mine: true },
      { key: 'm3', mine: true },
    ]);
  });

  test('above a hole are shown, and are not read before it is filled', () => {
    const heldBack = new Map([
      [WITH_BEN, [message(3, { sent_at: minute(1) }), message(5, { sender: 'ann', id: 'c5' })]],
    ]);
    expect(short(look(run(FROM_BEN.slice(0, 2)), {}, { heldBack }))).toBe('2026-11-22 [m1 m2 m3] [m5]');
    const away = run(FROM_BEN, { reachesEnd: false });
    expect(short(look(away, {}, { heldBack }))).toBe('2026-11-22 [m1 m2 m3]');
    const known = (lastSeq: number, held: Run): State =>
      state([conversation('ben', { lastSeq })], { heldBack, runs: new Map([[WITH_BEN, held]]) });
    expect(knownSeq(known(2, run(FROM_BEN.slice(0, 2))), WITH_BEN)).toBe(2);
    expect(knownSeq(known(2, run(FROM_BEN)), WITH_BEN)).toBe(3);
    expect(knownSeq(known(9, away), WITH_BEN)).toBe(9);
    expect(knownSeq(state(), WITH_BEN)).toBe(0);
  });
});

describe('the unread divider', () => {
  test('stands before the first message of another from there on', () => {
    const sent = [message(1), message(2, { sender: 'ann' }), message(3), message(4)];
    expect(short(look(run(sent), { dividerSeq: 2 }))).toBe('2026-11-22 [m1] [m2] unread:2 [m3 m4]');
  });

  test('separates messages that belong together', () => {
    expect(short(look(run(FROM_BEN), { dividerSeq: 2 }))).toBe('2026-11-22 [m1] unread:2 [m2 m3]');
  });

  test('stands under the day', () => {
    expect(short(look(run(FROM_BEN), { dividerSeq: 1 }))).toBe('2026-11-22 unread:3 [m1 m2 m3]');
  });

  test('does not count to an end that is not held', () => {
    const away = run(FROM_BEN, { reachesEnd: false });
    expect(short(look(away, { dividerSeq: 2 }))).toBe('2026-11-22 [m1] unread:null [m2 m3]');
  });

  test('is not shown where it would stand above the run, or nothing follows it', () => {
    const later = run(FROM_BEN.slice(1), { reachesStart: false });
    expect(short(look(later, { dividerSeq: 1 }))).toBe('2026-11-22 [m2 m3]');
    expect(short(look(run(FROM_BEN), { dividerSeq: 9 }))).toBe('2026-11-22 [m1 m2 m3]');
  });
});

describe('what waits', () => {
  const entry = (n: number, more: Partial<OutboxEntry> = {}): OutboxEntry =>
    outboxEntry(n, { createdAt: minute(n), ...more });

  test('stands at the end, with own messages just before it', () => {
    const sent = [message(1), message(2, { sender: 'ann' })];
    const outbox = [entry(3), entry(4, { state: 'failed' }), entry(5, { conversationId: 'dk-cat' })];
    expect(short(look(run(sent), { outbox }))).toBe('2026-11-22 [m1] [m2 +c3 +c4]');
  });

  test('is not shown away from the end', () => {
    expect(short(look(run(FROM_BEN, { reachesEnd: false }), { outbox: [entry(3)] }))).toBe('2026-11-22 [m1 m2 m3]');
  });

  test('is shown where nothing else is held', () => {
    expect(short(rows(state(), WITH_BEN, { outbox: [entry(3)], dividerSeq: 4, dayOf: utcDay }))).toBe(
      '2026-11-22 [+c3]',
    );
  });

  test('is not shown beside the message that it became, whose row is the same', () => {
    const outbox = [entry(3), entry(4)];
    const waiting = look(run(FROM_BEN.slice(0, 2)), { outbox });
    const stored = message(3, { sender: 'ann', id: 'c3' });
    const made = look(run([...FROM_BEN.slice(0, 2), stored]), { outbox, previous: waiting });
    expect(short(made)).toBe('2026-11-22 [m1 m2] [m3 +c4]');
    expect(made.map(({ key }) => key)).toEqual(waiting.map(({ key }) => key));
    const above = new Map([[WITH_BEN, [{ ...stored, seq: 9 }]]]);
    expect(short(look(run(FROM_BEN.slice(0, 2)), { outbox }, { heldBack: above }))).toBe('2026-11-22 [m1 m2] [m3 +c4]');
  });
});

describe('rows of before', () => {
  const many: Message[] = Array.from({ length: 300 }, (_, index) => message(index + 1));
  const known = (messages: readonly Message[]): State => {
    const last = messages.at(-1);
    const whole: Partial<Conversation> = { lastSeq: last?.seq ?? 0, rev: last?.rev ?? 0, lastMessage: last ?? null };
    const held = run(messages, { reachesStart: messages[0]?.seq === 1 });
    return state([conversation('ben', whole)], {
      runs: new Map([[WITH_BEN, held]]),
      cursors: { [WITH_BEN]: last?.seq ?? 0 },
    });
  };
  const made = (of: State, previous?: readonly Row[]): readonly Row[] =>
    rows(of, WITH_BEN, { outbox: [], dividerSeq: null, dayOf: utcDay, ...(previous ? { previous } : {}) });

  test('are the same where nothing changed', () => {
    const before = made(known(many));
    expect(made(known([...many]), before)).toBe(before);
  });

  test('change at the end alone when a message comes', () => {
    const shown = known(many.slice(0, 298));
    const before = made(shown);
    const frame = { type: 'message', ...message(299) } as const;
    const now = made(reduce(shown, { kind: 'frame', frame, isLive: true, nowMs: 0 }), before);
    expect(now.length).toBe(before.length + 1);
    expect(now.filter(row => !before.includes(row)).map(({ key }) => key)).toEqual(['m298', 'm299']);
  });

  test('change at the start alone when older ones come', () => {
    const before = made(known(many.slice(100)));
    const now = made(known(many), before);
    const fresh = now.filter(row => !before.includes(row));
    expect(fresh.map(({ key }) => key)).toEqual([...many.slice(0, 101).map(({ message_id: id }) => id)]);
  });

  test('are others where a message is another version', () => {
    const before = made(known(FROM_BEN));
    const now = made(known(FROM_BEN.with(1, message(2, { rev: 9 }))), before);
    expect(now.filter(row => !before.includes(row)).map(({ key }) => key)).toEqual(['m2']);
  });
});

test('days are those of this browser where nothing else is said', () => {
  const known = state([], { runs: new Map([[WITH_BEN, run([message(1)])]]) });
  const [day] = rows(known, WITH_BEN, { outbox: [], dividerSeq: null });
  const local = new Date(START);
  expect(day).toMatchObject({ kind: 'day', day: `${local.getFullYear()}-${local.getMonth() + 1}-${local.getDate()}` });
});
