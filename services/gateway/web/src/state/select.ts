/** What views read out of a state. Pure, and cheap enough to be asked at every change. */

import type { ConversationId, Message, Time, Username } from '../protocol';
import type { Conversation, Member, MessageState, State } from './model';

/** How far a message is with the others. */
export interface MessageProgress {
  /** The lowest over all others. */
  readonly state: MessageState;
  /** When the other one of a direct conversation got or read it, where that is known. */
  readonly at: Time | null;
  readonly deliveredTo: number;
  readonly readBy: number;
  /** Of so many others. */
  readonly others: number;
}

/** How far an own message is: the lowest over the others. */
export function messageState(conversation: Conversation, message: Message, me: Username): MessageState {
  return messageProgress(conversation, message, me).state;
}

/** How far an own message is, counted. */
export function messageProgress(conversation: Conversation, message: Message, me: Username): MessageProgress {
  let others = 0;
  let deliveredTo = 0;
  let readBy = 0;
  let other: Member | undefined;
  for (const member of conversation.members.values()) {
    if (member.username === me) continue;
    other = member;
    others += 1;
    if (member.deliveredSeq >= message.seq) deliveredTo += 1;
    if (member.readSeq >= message.seq) readBy += 1;
  }
  const state = others === 0 || deliveredTo < others ? 'sent' : readBy < others ? 'delivered' : 'read';
  const at = other && others === 1 ? timeOf(other, message.seq, state) : null;
  return { state, at, deliveredTo, readBy, others };
}

/** A watermark's time is that of the message it stands at; those below were passed before, or at the same time. */
function timeOf(member: Member, seq: number, state: MessageState): Time | null {
  if (state === 'read') return member.readSeq === seq ? member.readAt : null;
  return state === 'delivered' && member.deliveredSeq === seq ? member.deliveredAt : null;
}

/** Unread messages in all that is neither muted nor archived. */
export function totalUnread(state: State): number {
  let sum = 0;
  for (const { unread, muted, archived } of state.conversations.values()) if (!muted && !archived) sum += unread;
  return sum;
}

/** Up to here nothing is missing: what is shown above it stands above a hole, and is not read before that is filled. */
export function knownSeq(state: State, id: ConversationId): number {
  const run = state.runs.get(id);
  const end = run?.reachesEnd ? run.messages.at(-1)?.seq : undefined;
  return Math.max(state.conversations.get(id)?.lastSeq ?? 0, end ?? 0);
}
