/** How many messages of others are above the own read watermark, as far as that can be counted here. */

import type { ConversationView, Message, User } from '../protocol';
import type { Conversation, Run } from './model';

type Unread = Pick<Conversation, 'unread' | 'firstUnreadSeq' | 'isStale'>;

/** One more message, newer than the last. */
export function unreadAfterMessage(conversation: Conversation, message: Message, readSeq: number, me: User): Unread {
  const isUnread = message.sender !== me.username && message.seq > readSeq;
  const isMissing = message.seq - 1 > Math.max(conversation.lastSeq, readSeq);
  return {
    unread: conversation.unread + (isUnread ? 1 : 0),
    firstUnreadSeq: conversation.firstUnreadSeq ?? (isUnread ? message.seq : null),
    isStale: conversation.isStale || isMissing,
  };
}

/** The user has read up to `readSeq`, further than before. */
export function unreadAfterReading(
  conversation: Conversation,
  readSeq: number,
  run: Run | undefined,
  me: User,
): Unread {
  const { unread, firstUnreadSeq, isStale, lastSeq, lastMessage } = conversation;
  if (readSeq >= lastSeq) return { unread: 0, firstUnreadSeq: null, isStale };
  if (!isStale) {
    if (firstUnreadSeq === null || readSeq < firstUnreadSeq) return { unread, firstUnreadSeq, isStale };
    if (unread === 1) return { unread: 0, firstUnreadSeq: null, isStale };
  }
  const messages = held(run, lastMessage, readSeq, lastSeq);
  if (messages) return { ...count(messages, me), isStale };
  return bound(unread, firstUnreadSeq, readSeq, lastSeq);
}

/** Where a conversation is, by what a view and the events say together. */
interface Reading {
  readonly readSeq: number;
  /** Before the view came. */
  readonly wasReadSeq: number;
  readonly lastSeq: number;
  readonly lastMessage: Message | null;
}

/** A conversation was read anew, while events may have told more than the answer knows. */
export function unreadAfterView(
  view: ConversationView,
  conversation: Conversation,
  { readSeq, wasReadSeq, lastSeq, lastMessage }: Reading,
  run: Run | undefined,
  me: User,
): Unread {
  if (readSeq >= lastSeq) return { unread: 0, firstUnreadSeq: null, isStale: false };
  if (view.read_seq === readSeq && view.last_seq === lastSeq) {
    return { unread: view.unread, firstUnreadSeq: view.first_unread_seq, isStale: false };
  }
  const { unread, firstUnreadSeq } = conversation;
  if (!conversation.isStale && wasReadSeq === readSeq && conversation.lastSeq === lastSeq) {
    return { unread, firstUnreadSeq, isStale: false };
  }
  const above = held(run, lastMessage, readSeq, lastSeq);
  if (above) return { ...count(above, me), isStale: false };
  const since = view.read_seq === readSeq ? held(run, lastMessage, view.last_seq, lastSeq) : null;
  if (since) {
    const more = count(since, me);
    return {
      unread: view.unread + more.unread,
      firstUnreadSeq: view.first_unread_seq ?? more.firstUnreadSeq,
      isStale: false,
    };
  }
  return bound(Math.max(unread, view.unread), firstUnreadSeq ?? view.first_unread_seq, readSeq, lastSeq);
}

/** At most so many: what lies between may be the user's own. */
const bound = (unread: number, firstSeq: number | null, readSeq: number, lastSeq: number): Unread => ({
  unread: Math.min(unread, lastSeq - readSeq),
  firstUnreadSeq: Math.max(firstSeq ?? 0, readSeq + 1),
  isStale: true,
});

function count(messages: readonly Message[], me: User): Omit<Unread, 'isStale'> {
  const others = messages.filter(({ sender }) => sender !== me.username);
  return { unread: others.length, firstUnreadSeq: others[0]?.seq ?? null };
}

/** All messages above `after` up to `last`, if they are held. */
function held(
  run: Run | undefined,
  lastMessage: Message | null,
  after: number,
  last: number,
): readonly Message[] | null {
  const first = run?.messages[0]?.seq;
  if (run && first !== undefined && first <= after + 1 && first + run.messages.length > last) {
    return run.messages.slice(after + 1 - first, last + 1 - first);
  }
  return lastMessage?.seq === last && after + 1 === last ? [lastMessage] : null;
}
