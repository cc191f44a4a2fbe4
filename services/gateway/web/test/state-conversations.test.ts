import { describe, expect, test } from 'vitest';
import type { ConversationView, Message } from '../src/protocol';
import type { Conversation, Event, State } from '../src/state/model';
import { initial, reduce } from '../src/state/reduce';
import { ANN, conversation, member, membersOf, message, run, state, WITH_BEN } from './support/samples';

const after = (known: State, ...events: Event[]): State => events.reduce(reduce, known);
const live = (of: Message): Event => ({ kind: 'frame', frame: { type: 'message', ...of }, isLive: true, nowMs: 0 });
const stored = (of: Message): Event => ({ kind: 'stored', message: of, isLive: true });
const ben = (known: State): Conversation | undefined => known.conversations.get(WITH_BEN);

/** What the list says of a conversation with `messages`, read up to `readSeq`. */
function view(messages: readonly Message[], readSeq = 0, more: Partial<ConversationView> = {}): ConversationView {
  const last = messages.at(-1);
  const unread = messages.filter(({ seq, sender }) => seq > readSeq && sender !== 'ann');
  const peer = { username: 'ben', display_name: 'Ben', delivered_seq: 0, read_seq: 0 };
  const own = { username: 'ann', display_name: 'Ann', delivered_seq: readSeq, read_seq: readSeq };
  return {
    ...{ conversation_id: WITH_BEN, kind: 'direct', rev: last?.rev ?? 0, last_seq: last?.seq ?? 0 },
    last_message: last ? { ...last, status: 'sent', delivered_at: null, read_at: null } : null,
    ...{ unread: unread.length, first_unread_seq: unread[0]?.seq ?? null },
    ...{ delivered_seq: readSeq, read_seq: readSeq, members: [own, peer], peer },
    ...{ muted: false, pinned: false, archived: false, draft: '', blocked: false },
    ...more,
  };
}

const listed = (views: readonly ConversationView[], isWhole = false): Event => ({ kind: 'listed', views, isWhole });
const read = (of: ConversationView): Event => ({ kind: 'conversation', view: of });
const readUpTo = (seq: number): Event => ({
  ...{ kind: 'frame', isLive: true, nowMs: 0 },
  frame: {
    ...{ type: 'read_receipt', conversation_id: WITH_BEN, user: 'ann', state: 'read', up_to_seq: seq },
    at: message(seq).sent_at,
  },
});

const FOUR = [1, 2, 3, 4].map(seq => message(seq));

describe('a list', () => {
  test('tells all there is to know of a conversation', () => {
    const known = after(initial(state().me), listed([view(FOUR, 1, { pinned: true, draft: 'and then' })]));
    expect(ben(known)).toEqual(
      conversation('ben', {
        ...{
          rev: 4,
          lastSeq: 4,
          lastMessage: message(4),
          unread: 3,
          firstUnreadSeq: 2,
          pinned: true,
          draft: 'and then',
        },
        members: membersOf(member('ann', { deliveredSeq: 1, readSeq: 1 }), 'ben'),
      }),
    );
  });

  test('that says nothing new changes nothing', () => {
    const known = after(state(), listed([view(FOUR, 1)]));
    expect(after(known, listed([view(FOUR, 1)], true))).toBe(known);
    expect(after(known, read(view(FOUR, 1)))).toBe(known);
  });

  test('names a group by its members, and somebody without a name by the username', () => {
    const others = ['cat', 'dan'].map(username => ({ username, display_name: '', delivered_seq: 0, read_seq: 0 }));
    const { peer: _, ...direct } = view(FOUR);
    const group = { ...direct, conversation_id: 'g', kind: 'group', members: others } as const;
    expect(after(state(), listed([group])).conversations.get('g')).toMatchObject({ title: 'cat, dan', peer: null });
  });

  test('in part keeps those that it does not name', () => {
    const known = state([conversation('cat', { lastSeq: 1, lastMessage: message(1) })]);
    expect(after(known, listed([view(FOUR)])).conversations.size).toBe(2);
  });

  test('as a whole drops those that it does not name, and what is held of them', () => {
    const known = state([conversation('cat', { lastSeq: 1, lastMessage: message(1) })], {
      cursors: { 'dk-cat': 1 },
      runs: new Map([['dk-cat', run([])]]),
    });
    const whole = after(known, listed([view(FOUR)], true));
    expect([[...whole.conversations.keys()], whole.cursors, whole.runs.size]).toEqual([[WITH_BEN], {}, 0]);
  });

  test('as a whole keeps what came after it was read, and what is not written in yet', () => {
    const newer = conversation('cat', { lastSeq: 1, lastMessage: message(9) });
    const unknown = conversation('dan', { lastSeq: 1, lastMessage: message(1), isStale: true });
    const known = state([newer, unknown, conversation('eve')]);
    expect(after(known, listed([view(FOUR)], true)).conversations.size).toBe(4);
  });
});

describe('a conversation that was read before the last events', () => {
  const known = after(state(), listed([view(FOUR, 1)]));

  test('does not take messages back', () => {
    const later = after(known, live(message(5)));
    expect(after(later, read(view(FOUR, 1)))).toBe(later);
  });

  test('does not take reading back', () => {
    const later = after(known, readUpTo(4));
    expect(after(later, read(view(FOUR, 1)))).toBe(later);
  });

  test('counts by what is held where neither knows: it was read on elsewhere, and one came here', () => {
    const later = after(known, live(message(5)));
    expect(ben(after(later, read(view(FOUR, 4))))).toMatchObject({ unread: 1, firstUnreadSeq: 5, isStale: false });
    expect(ben(after(later, read(view(FOUR, 3))))).toMatchObject({ unread: 2, firstUnreadSeq: 4, isStale: false });
  });

  test('has to be read again where that can not be counted', () => {
    const later = after(known, live(message(5)), live(message(6)));
    expect(ben(after(later, read(view(FOUR, 3))))).toMatchObject({ unread: 3, firstUnreadSeq: 4, isStale: true });
    const held = { ...later, runs: new Map([[WITH_BEN, run([...FOUR, message(5), message(6)])]]) };
    expect(ben(after(held, read(view(FOUR, 3))))).toMatchObject({ unread: 3, firstUnreadSeq: 4, isStale: false });
  });

  test('does not settle what it does not know of', () => {
    const caught: Event = {
      kind: 'frame',
      frame: { type: 'caught_up', replayed: 0, cursors: { [WITH_BEN]: 6 } },
      isLive: false,
      nowMs: 0,
    };
    const stale = after(known, caught);
    expect(ben(after(stale, read(view(FOUR, 1))))?.isStale).toBe(true);
    const settled = after(stale, read(view([...FOUR, message(5), message(6)], 1)));
    expect(ben(settled)).toMatchObject({ unread: 5, lastSeq: 6, isStale: false });
  });
});

describe('a conversation that is further than its run', () => {
  const held = { runs: new Map([[WITH_BEN, run(FOUR.slice(0, 2))]]) };
  const ends = (known: State): boolean | undefined => known.runs.get(WITH_BEN)?.reachesEnd;

  test('shows that the run lacks what the cursor says is there', () => {
    expect(ends(after(state([], { ...held, cursors: { [WITH_BEN]: 4 } }), read(view(FOUR))))).toBe(false);
    const stale = conversation('ben', { rev: 2, lastSeq: 2, lastMessage: message(2), isStale: true });
    expect(ends(after(state([stale], { ...held, cursors: { [WITH_BEN]: 2 } }), read(view(FOUR))))).toBe(false);
  });

  test('leaves a run whose next messages still come', () => {
    const known = conversation('ben', { rev: 2, lastSeq: 2, lastMessage: message(2) });
    const ahead = after(state([known], { ...held, cursors: { [WITH_BEN]: 2 } }), read(view(FOUR)));
    expect(ends(ahead)).toBe(true);
    const come = after(ahead, live(message(3)), live(message(4)));
    expect(come.runs.get(WITH_BEN)).toEqual(run(FOUR));
    expect(ben(come)).toMatchObject({ unread: 4, lastSeq: 4 });
  });
});

describe('a live message', () => {
  const known = after(state(), listed([view(FOUR, 4)]));

  test('of another counts, and the first one is where to begin to read', () => {
    const two = after(known, live(message(5)), live(message(6)));
    expect(ben(two)).toMatchObject({
      lastSeq: 6,
      rev: 6,
      lastMessage: message(6),
      unread: 2,
      firstUnreadSeq: 5,
      isStale: false,
    });
  });

  test('of the user does not count, nor one that was stored here', () => {
    expect(ben(after(known, live(message(5, { sender: 'ann' }))))).toMatchObject({ lastSeq: 5, unread: 0 });
    expect(ben(after(known, stored(message(5, { sender: 'ann' }))))).toMatchObject({ lastSeq: 5, unread: 0 });
  });

  test('of the user does not mark as read what was not shown', () => {
    const own = after(known, live(message(5)), stored(message(6, { sender: 'ann' })));
    expect(ben(own)).toMatchObject({ unread: 1, firstUnreadSeq: 5 });
  });

  test('that was read elsewhere already does not count', () => {
    expect(ben(after(known, readUpTo(5), live(message(5))))).toMatchObject({ lastSeq: 5, unread: 0 });
  });

  test('that the list counted already does not count again', () => {
    const ahead = after(known, live(message(5)), read(view([...FOUR, message(5), message(6)], 4)));
    expect(ben(after(ahead, live(message(6))))).toMatchObject({ unread: 2, firstUnreadSeq: 5 });
  });

  test('that was changed is the last message in its new version', () => {
    const edited = message(4, { rev: 5, content: 'edited' });
    expect(ben(after(known, live(edited)))).toMatchObject({ lastSeq: 4, lastMessage: edited, unread: 0 });
    const other = after(known, live(message(2, { rev: 5 })));
    expect(ben(other)?.lastMessage).toBe(ben(known)?.lastMessage);
  });

  test('leaves other conversations the same objects', () => {
    const two = after(known, listed([view([], 0, { conversation_id: 'dk-cat' })]));
    expect(after(two, live(message(5))).conversations.get('dk-cat')).toBe(two.conversations.get('dk-cat'));
  });
});

describe('a message of a conversation that is not in the list', () => {
  test('brings it, to be fetched', () => {
    const known = after(state(), live(message(7)));
    expect(ben(known)).toEqual(
      conversation('ben', {
        ...{ rev: 7, lastSeq: 7, lastMessage: message(7), unread: 1, firstUnreadSeq: 7, isStale: true, title: 'ben' },
        members: membersOf({ ...member('ann'), displayName: 'ann' }, { ...member('ben'), displayName: 'ben' }),
      }),
    );
    const fetched = after(known, read(view([...FOUR, message(5), message(6), message(7)], 5)));
    expect(ben(fetched)).toMatchObject({ title: 'Ben', unread: 2, firstUnreadSeq: 6, isStale: false });
  });

  test('is taken together with a list that was read before', () => {
    const known = after(state(), live(message(5)), listed([view(FOUR, 3)]));
    expect(ben(known)).toMatchObject({ lastSeq: 5, unread: 2, firstUnreadSeq: 4 });
  });

  test('of the user at another device has no name until it is fetched', () => {
    const known = after(state(), live(message(1, { sender: 'ann' })));
    expect(ben(known)).toMatchObject({ title: '', peer: null, unread: 0, isStale: true });
  });
});

describe('a conversation that begins', () => {
  const begun: Event = { kind: 'begun', conversationId: WITH_BEN, peer: { username: 'ben', displayName: 'Ben' } };

  test('is there without a message', () => {
    expect(ben(after(state(), begun))).toEqual(conversation('ben'));
  });

  test('is the one that is there, where there is one', () => {
    const known = after(state(), listed([view(FOUR)]));
    expect(after(known, begun)).toBe(known);
  });

  test('goes on with its first message', () => {
    const known = after(state(), begun, stored(message(1, { sender: 'ann' })));
    expect(ben(known)).toMatchObject({ lastSeq: 1, unread: 0, isStale: false, title: 'Ben' });
    expect(known.cursors).toEqual({ [WITH_BEN]: 1 });
  });
});

describe('what the user keeps', () => {
  const known = after(state(), listed([view(FOUR)]));

  test('changes as far as it is named', () => {
    const kept = after(known, { kind: 'kept', conversationId: WITH_BEN, muted: true, draft: 'x' });
    expect(ben(kept)).toEqual({ ...ben(known), muted: true, draft: 'x' });
  });

  test('of what is not known, or is so already, changes nothing', () => {
    expect(after(known, { kind: 'kept', conversationId: 'dk-cat', muted: true })).toBe(known);
    expect(after(known, { kind: 'kept', conversationId: WITH_BEN, muted: false, draft: '' })).toBe(known);
  });
});

test('a conversation that is gone leaves nothing', () => {
  const known = after(state(), listed([view(FOUR)]), live(message(5)), live(message(7)));
  const gone = after(known, { kind: 'gone', conversationId: WITH_BEN });
  expect(gone).toEqual(state());
  expect(after(gone, { kind: 'gone', conversationId: WITH_BEN })).toBe(gone);
});

test('nobody is known at the beginning', () => {
  expect(initial(state().me)).toEqual(state([], { epoch: '' }));
  expect(initial(state().me).me.username).toBe(ANN.username);
});
