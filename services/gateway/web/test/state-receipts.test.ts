import { describe, expect, test } from 'vitest';
import type { Message, ReceiptState } from '../src/protocol';
import type { Conversation, Event, Member, State } from '../src/state/model';
import { MAX_EARLY } from '../src/state/receipts';
import { reduce } from '../src/state/reduce';
import { messageProgress, messageState } from '../src/state/select';
import { conversation, member, membersOf, message, run, state, WITH_BEN } from './support/samples';

const after = (known: State, ...events: Event[]): State => events.reduce(reduce, known);
const live = (of: Message): Event => ({ kind: 'frame', frame: { type: 'message', ...of }, isLive: true, nowMs: 0 });
const at = (minute: number): string => `2026-11-22T15:${String(minute).padStart(2, '0')}:00.000Z`;

const receipt = (user: string, is: ReceiptState, seq: number, time = at(seq), id = WITH_BEN): Event => ({
  ...{ kind: 'frame', isLive: true, nowMs: 0 },
  frame: { type: 'read_receipt', conversation_id: id, user, state: is, up_to_seq: seq, at: time },
});

const conversationOf = (known: State): Conversation => known.conversations.get(WITH_BEN) ?? conversation('ben');
const memberOf = (known: State, username: string): Member | undefined => conversationOf(known).members.get(username);

/** Ann wrote 1 and 4, Ben the others; she has read nothing. */
const MESSAGES = [1, 2, 3, 4, 5].map(seq => message(seq, { sender: seq === 1 || seq === 4 ? 'ann' : 'ben' }));
const FIVE = { rev: 5, lastSeq: 5, lastMessage: message(5), unread: 3, firstUnreadSeq: 2 };
const KNOWN = state([conversation('ben', FIVE)], { cursors: { [WITH_BEN]: 5 } });
const HELD = { ...KNOWN, runs: new Map([[WITH_BEN, run(MESSAGES)]]) };

describe('a watermark', () => {
  test('moves forward with its time', () => {
    const known = after(KNOWN, receipt('ben', 'delivered', 4));
    expect(memberOf(known, 'ben')).toEqual(member('ben', { deliveredSeq: 4, deliveredAt: at(4) }));
  });

  test('never goes back', () => {
    const known = after(KNOWN, receipt('ben', 'read', 4));
    expect(after(known, receipt('ben', 'read', 3, at(9)), receipt('ben', 'delivered', 2, at(9)))).toBe(known);
  });

  test('of what was read is one of what was delivered, at the same time', () => {
    const known = after(KNOWN, receipt('ben', 'read', 4));
    const whole = { deliveredSeq: 4, deliveredAt: at(4), readSeq: 4, readAt: at(4) };
    expect(memberOf(known, 'ben')).toEqual(member('ben', whole));
  });

  test('that was delivered further keeps its time when less is read', () => {
    const known = after(KNOWN, receipt('ben', 'delivered', 5), receipt('ben', 'read', 4));
    const whole = { deliveredSeq: 5, deliveredAt: at(5), readSeq: 4, readAt: at(4) };
    expect(memberOf(known, 'ben')).toEqual(member('ben', whole));
  });

  test('of a page has a time where the page tells it', () => {
    const page = (ben: object): Event => ({
      ...{
        kind: 'page',
        conversationId: WITH_BEN,
        messages: [],
        place: 'instead',
        reachesStart: false,
        reachesEnd: false,
      },
      members: [{ username: 'ben', delivered_seq: 4, read_seq: 0, ...ben }],
    });
    const known = after(KNOWN, page({}));
    expect(memberOf(known, 'ben')).toEqual(member('ben', { deliveredSeq: 4 }));
    const timed = after(known, page({ delivered_at: at(7), read_at: null }));
    expect(memberOf(timed, 'ben')).toEqual(member('ben', { deliveredSeq: 4, deliveredAt: at(7) }));
    expect(conversationOf(after(timed, page({ delivered_at: at(8), read_at: null })))).toBe(conversationOf(timed));
  });

  test('of somebody who joined is kept', () => {
    expect(memberOf(after(KNOWN, receipt('cat', 'read', 2)), 'cat')?.readSeq).toBe(2);
  });

  test('leaves other members the same objects', () => {
    expect(memberOf(after(KNOWN, receipt('ben', 'read', 2)), 'ann')).toBe(memberOf(KNOWN, 'ann'));
  });
});

describe('a receipt and its message', () => {
  const own = message(6, { sender: 'ann' });
  const stored: Event = { kind: 'stored', message: own, isLive: true };

  test.each<[string, Event[]]>([
    ['in their order', [stored, receipt('ben', 'delivered', 6), receipt('ben', 'read', 6)]],
    ['with the receipt first', [receipt('ben', 'read', 6), receipt('ben', 'delivered', 6), stored]],
    ['with the message between', [receipt('ben', 'delivered', 6), stored, receipt('ben', 'read', 6)]],
  ])('say the same, %s', (_, events) => {
    const known = after(KNOWN, ...events);
    expect(messageState(conversationOf(known), own, 'ann')).toBe('read');
  });

  test('in a conversation that is not in the list yet', () => {
    const early = after(state(), receipt('ben', 'read', 1));
    expect(early.conversations.size).toBe(0);
    const first = after(early, { kind: 'stored', message: message(1, { sender: 'ann' }), isLive: true });
    expect(messageState(conversationOf(first), message(1), 'ann')).toBe('read');
    expect(first.early.size).toBe(0);
    const begun = after(early, {
      kind: 'begun',
      conversationId: WITH_BEN,
      peer: { username: 'ben', displayName: 'Ben' },
    });
    expect(memberOf(begun, 'ben')).toMatchObject({ displayName: 'Ben', readSeq: 1 });
  });

  test('of a list that was read before the receipt', () => {
    const members = ['ann', 'ben'].map(username => ({
      username,
      display_name: username,
      delivered_seq: 0,
      read_seq: 0,
    }));
    const known = after(state(), receipt('ben', 'read', 1), receipt('ann', 'read', 2), {
      kind: 'conversation',
      view: {
        ...{ conversation_id: WITH_BEN, kind: 'direct', rev: 2, last_seq: 2, last_message: null, unread: 1 },
        ...{ first_unread_seq: 2, delivered_seq: 0, read_seq: 0, members, muted: false, pinned: false },
        ...{ archived: false, draft: '', blocked: false },
      },
    });
    expect([memberOf(known, 'ben')?.readSeq, memberOf(known, 'ann')?.readSeq]).toEqual([1, 2]);
    expect(conversationOf(known)).toMatchObject({ unread: 0, isStale: false });
  });

  test('is kept for so many conversations that are not in the list', () => {
    let known = state();
    for (let n = 0; n <= MAX_EARLY; n++) known = after(known, receipt('ben', 'read', 1, at(1), `dk-${n}`));
    expect([known.early.size, known.early.has('dk-0')]).toEqual([MAX_EARLY, false]);
  });
});

describe('what the user has read', () => {
  test('to the end leaves nothing', () => {
    expect(conversationOf(after(KNOWN, receipt('ann', 'read', 5)))).toMatchObject({
      unread: 0,
      firstUnreadSeq: null,
      isStale: false,
    });
    expect(conversationOf(after(KNOWN, receipt('ann', 'read', 9)))).toMatchObject({ unread: 0, isStale: false });
  });

  test('is counted where the messages are held; own ones do not count', () => {
    expect(conversationOf(after(HELD, receipt('ann', 'read', 2)))).toMatchObject({
      unread: 2,
      firstUnreadSeq: 3,
      isStale: false,
    });
    expect(conversationOf(after(HELD, receipt('ann', 'read', 3)))).toMatchObject({
      unread: 1,
      firstUnreadSeq: 5,
      isStale: false,
    });
  });

  test('is counted by the last message where that alone is left', () => {
    expect(conversationOf(after(KNOWN, receipt('ann', 'read', 4)))).toMatchObject({
      unread: 1,
      firstUnreadSeq: 5,
      isStale: false,
    });
  });

  test('before the first unread message changes nothing about these', () => {
    expect(conversationOf(after(KNOWN, receipt('ann', 'read', 1)))).toMatchObject({
      unread: 3,
      firstUnreadSeq: 2,
      isStale: false,
    });
  });

  test('is none where one was left', () => {
    const one = { rev: 9, lastSeq: 9, lastMessage: message(9, { sender: 'ann' }), unread: 1, firstUnreadSeq: 3 };
    const known = state([conversation('ben', one)]);
    expect(conversationOf(after(known, receipt('ann', 'read', 5)))).toMatchObject({ unread: 0, isStale: false });
  });

  test('is bounded, and to be fetched, where it can not be counted', () => {
    expect(conversationOf(after(KNOWN, receipt('ann', 'read', 3)))).toMatchObject({
      unread: 2,
      firstUnreadSeq: 4,
      isStale: true,
    });
    const short = { ...HELD, runs: new Map([[WITH_BEN, run(MESSAGES.slice(4), { reachesStart: false })]]) };
    expect(conversationOf(after(short, receipt('ann', 'read', 3))).isStale).toBe(true);
  });

  test('is not what was delivered', () => {
    expect(conversationOf(after(KNOWN, receipt('ann', 'delivered', 5)))).toMatchObject({
      unread: 3,
      firstUnreadSeq: 2,
    });
  });
});

describe('how far a message is', () => {
  const group = (...members: Member[]): Conversation => conversation('ben', { members: membersOf('ann', ...members) });
  const progress = (of: Conversation, seq: number): unknown =>
    messageProgress(of, message(seq, { sender: 'ann' }), 'ann');

  test('is the lowest over the others, counted', () => {
    const three = group(
      member('ben', { deliveredSeq: 9, readSeq: 9 }),
      member('cat', { deliveredSeq: 8, readSeq: 4 }),
      member('dan', { deliveredSeq: 5 }),
    );
    expect(progress(three, 4)).toEqual({ state: 'delivered', at: null, deliveredTo: 3, readBy: 2, others: 3 });
    expect(progress(three, 5)).toEqual({ state: 'delivered', at: null, deliveredTo: 3, readBy: 1, others: 3 });
    expect(progress(three, 6)).toEqual({ state: 'sent', at: null, deliveredTo: 2, readBy: 1, others: 3 });
  });

  test('has a time with one other, where the watermark stands', () => {
    const one = group(member('ben', { deliveredSeq: 5, deliveredAt: at(5), readSeq: 4, readAt: at(9) }));
    expect(progress(one, 5)).toMatchObject({ state: 'delivered', at: at(5) });
    expect(progress(one, 4)).toMatchObject({ state: 'read', at: at(9) });
    expect(progress(one, 3)).toMatchObject({ state: 'read', at: null });
    expect(progress(one, 6)).toMatchObject({ state: 'sent', at: null });
  });

  test('is sent where nobody else is known', () => {
    expect(progress(group(), 1)).toEqual({ state: 'sent', at: null, deliveredTo: 0, readBy: 0, others: 0 });
  });
});

test('a message whose watermark came first is not counted as unread when it comes', () => {
  const known = after(KNOWN, receipt('ann', 'read', 6), live(message(6)));
  expect(conversationOf(known)).toMatchObject({ lastSeq: 6, unread: 0, firstUnreadSeq: null, isStale: false });
});
