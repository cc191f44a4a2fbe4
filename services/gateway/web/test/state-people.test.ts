import { describe, expect, test } from 'vitest';
import type { MessageStatusFrame, Presence, ServerFrame } from '../src/protocol';
import type { Event, State } from '../src/state/model';
import { MAX_PRESENCE, MAX_RETRIED, MAX_TYPED_IN, MAX_TYPERS } from '../src/state/people';
import { reduce } from '../src/state/reduce';
import { totalUnread } from '../src/state/select';
import { conversation, message, state, WITH_BEN } from './support/samples';

const after = (known: State, ...events: Event[]): State => events.reduce(reduce, known);
const frame = (sent: ServerFrame, nowMs = 0): Event => ({ kind: 'frame', frame: sent, isLive: true, nowMs });
const typing = (user: string, is: 'start' | 'stop', nowMs = 0, id = WITH_BEN): Event =>
  frame({ type: 'typing', conversation_id: id, user, state: is, ttl_ms: 7_000 }, nowMs);
const seen = (user: string, status: Presence, lastSeen?: string): Event =>
  frame({ type: 'user_status', user, status, ...(lastSeen ? { last_seen: lastSeen } : {}) });

const KNOWN = state([conversation('ben', { rev: 3, lastSeq: 3, lastMessage: message(3) })], {
  cursors: { [WITH_BEN]: 3 },
});

describe('typing', () => {
  const known = after(KNOWN, typing('ben', 'start', 1_000));

  test('lasts as long as the server says, and is told again', () => {
    expect(known.typing).toEqual(new Map([[WITH_BEN, new Map([['ben', 8_000]])]]));
    expect(after(known, { kind: 'tick', nowMs: 7_999 })).toBe(known);
    expect(after(known, { kind: 'tick', nowMs: 8_000 }).typing.size).toBe(0);
    const again = after(known, typing('ben', 'start', 5_000));
    expect(after(again, { kind: 'tick', nowMs: 8_000 })).toBe(again);
  });

  test('ends by a word, by a message of that user alone, and with the connection', () => {
    expect(after(known, typing('ben', 'stop')).typing.size).toBe(0);
    expect(after(known, frame({ type: 'message', ...message(4) })).typing.size).toBe(0);
    expect(after(known, frame({ type: 'message', ...message(4, { sender: 'cat' }) })).typing).toBe(known.typing);
    expect(after(known, { kind: 'disconnected' }).typing.size).toBe(0);
  });

  test('of one leaves the others', () => {
    const two = after(known, typing('cat', 'start', 1_000), typing('ben', 'stop'));
    expect(two.typing).toEqual(new Map([[WITH_BEN, new Map([['cat', 8_000]])]]));
  });

  test('of the user elsewhere, or an end of what had not begun, changes nothing', () => {
    expect(after(KNOWN, typing('ann', 'start'), typing('ben', 'stop'), { kind: 'disconnected' })).toBe(KNOWN);
  });

  test('is bounded', () => {
    let many = KNOWN;
    for (let n = 0; n <= MAX_TYPERS; n++) many = after(many, typing(`user-${n}`, 'start'));
    expect([many.typing.get(WITH_BEN)?.size, many.typing.get(WITH_BEN)?.has('user-0')]).toEqual([MAX_TYPERS, false]);
    for (let n = 0; n <= MAX_TYPED_IN; n++) many = after(many, typing('ben', 'start', 0, `dk-${n}`));
    expect(many.typing.size).toBe(MAX_TYPED_IN);
  });
});

describe('presence', () => {
  test('is what was said last', () => {
    const known = after(KNOWN, seen('ben', 'online'), seen('ben', 'offline', message(1).sent_at));
    expect(known.presence).toEqual(new Map([['ben', { status: 'offline', lastSeen: message(1).sent_at }]]));
    expect(after(known, seen('ben', 'offline', message(1).sent_at))).toBe(known);
  });

  test('is not known without a connection', () => {
    expect(after(KNOWN, seen('ben', 'online'), { kind: 'disconnected' }).presence.size).toBe(0);
  });

  test('is bounded: whoever was not heard of for longest goes', () => {
    let known = KNOWN;
    for (let n = 0; n < MAX_PRESENCE; n++) known = after(known, seen(`user-${n}`, 'online'));
    known = after(known, seen('user-0', 'away'), seen('another', 'online'));
    expect(known.presence.size).toBe(MAX_PRESENCE);
    expect([known.presence.has('user-0'), known.presence.has('user-1')]).toEqual([true, false]);
  });
});

describe('attempts to reach somebody', () => {
  const attempt = (more: Partial<MessageStatusFrame> = {}): Event =>
    frame({
      ...{ type: 'message_status', message_id: 'm3', conversation_id: WITH_BEN, status: 'retrying' },
      ...{ at: message(3).sent_at, user: 'ben', up_to_seq: 3, retry_count: 1, max_retries: 3 },
      ...more,
    });
  const delivered = (seq: number): Event =>
    frame({
      ...{ type: 'read_receipt', conversation_id: WITH_BEN, user: 'ben', state: 'delivered', up_to_seq: seq },
      at: message(3).sent_at,
    });

  test('are told by recipient, the last one', () => {
    const known = after(
      KNOWN,
      attempt({ next_retry_at: message(4).sent_at }),
      attempt({ status: 'failed', retry_count: 3, reason: 'no_device' }),
    );
    const failed = {
      status: 'failed',
      upToSeq: 3,
      retryCount: 3,
      maxRetries: 3,
      nextRetryAt: null,
      reason: 'no_device',
    };
    expect(known.retries).toEqual(new Map([[WITH_BEN, new Map([['ben', failed]])]]));
    expect(after(known, attempt({ status: 'failed', retry_count: 3, reason: 'no_device' }))).toBe(known);
  });

  test('are over when the messages are there', () => {
    const known = after(KNOWN, attempt(), attempt({ user: 'cat' }));
    expect(after(known, delivered(2)).retries).toBe(known.retries);
    expect([...(after(known, delivered(3)).retries.get(WITH_BEN)?.keys() ?? [])]).toEqual(['cat']);
    expect(after(KNOWN, attempt(), delivered(4)).retries.size).toBe(0);
  });

  test('that are told after the messages are there are none', () => {
    expect(after(KNOWN, delivered(3), attempt()).retries.size).toBe(0);
  });

  test('are not what becomes of a queued message', () => {
    const { user: _, ...ownQueue } = (attempt() as Event & { frame: MessageStatusFrame }).frame;
    expect(after(KNOWN, frame({ ...ownQueue, status: 'failed' }), frame({ ...ownQueue, status: 'queued' }))).toBe(
      KNOWN,
    );
  });

  test('are bounded', () => {
    let known = KNOWN;
    for (let n = 0; n <= MAX_RETRIED; n++) known = after(known, attempt({ conversation_id: `dk-${n}` }));
    expect([known.retries.size, known.retries.has('dk-0')]).toEqual([MAX_RETRIED, false]);
  });
});

test('the sum of unread messages leaves out what is muted or archived', () => {
  const known = state([
    conversation('ben', { unread: 2 }),
    conversation('cat', { unread: 3 }),
    conversation('dan', { unread: 5, muted: true }),
    conversation('eve', { unread: 7, archived: true }),
  ]);
  expect(totalUnread(known)).toBe(5);
});
