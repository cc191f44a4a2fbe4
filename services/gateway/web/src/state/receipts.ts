/** How far members are: watermarks that only grow, and may come before the message they speak of. */

import type { ConversationId, MemberCursor, PeerCursor, ReceiptFrame, Time, User, Username } from '../protocol';
import { put, update, without } from './changes';
import type { Conversation, Member, State } from './model';
import { unreadAfterReading } from './unread';

/** Conversations that are not in the list whose watermarks are kept: the oldest go. */
export const MAX_EARLY = 500;

/** How far a member has come, and when, if that was said. */
export interface Progress {
  readonly deliveredSeq: number;
  readonly readSeq: number;
  readonly deliveredAt?: Time | null;
  readonly readAt?: Time | null;
}

/** A member of whom nothing is known but the name. */
export const newMember = (username: Username, displayName: string): Member => ({
  ...{ username, displayName: displayName || username },
  ...{ deliveredSeq: 0, readSeq: 0, deliveredAt: null, readAt: null },
});

/** Move a member's watermarks forward. Read is delivered too. */
export function advanced(member: Member, progress: Progress): Member {
  const { readAt = null, deliveredAt = null } = progress;
  const read = further(member.readSeq, member.readAt, progress.readSeq, readAt);
  const delivered = further(member.deliveredSeq, member.deliveredAt, progress.deliveredSeq, deliveredAt);
  const both = further(...delivered, ...read);
  return update(member, { readSeq: read[0], readAt: read[1], deliveredSeq: both[0], deliveredAt: both[1] });
}

type Mark = [seq: number, at: Time | null];

/** The farther of two marks. A time that was not known is filled in. */
function further(seq: number, at: Time | null, otherSeq: number, otherAt: Time | null): Mark {
  if (otherSeq > seq) return [otherSeq, otherAt];
  return [seq, at ?? (otherSeq === seq && seq > 0 ? otherAt : null)];
}

/** Take a receipt in. */
export function addReceipt(state: State, receipt: ReceiptFrame): State {
  const { up_to_seq: seq, at } = receipt;
  const progress =
    receipt.state === 'read'
      ? { deliveredSeq: 0, readSeq: seq, readAt: at }
      : { deliveredSeq: seq, readSeq: 0, deliveredAt: at };
  return advance(state, receipt.conversation_id, [[receipt.user, progress]]);
}

/** Take the cursors of a page in. */
export function addCursors(state: State, id: ConversationId, cursors: readonly (MemberCursor | PeerCursor)[]): State {
  return advance(
    state,
    id,
    cursors.map(cursor => [
      cursor.username,
      {
        deliveredSeq: cursor.delivered_seq,
        readSeq: cursor.read_seq,
        deliveredAt: 'delivered_at' in cursor ? cursor.delivered_at : null,
        readAt: 'read_at' in cursor ? cursor.read_at : null,
      },
    ]),
  );
}

function advance(state: State, id: ConversationId, moves: readonly (readonly [Username, Progress])[]): State {
  const conversation = state.conversations.get(id);
  const held = conversation?.members ?? state.early.get(id) ?? new Map<Username, Member>();
  let members = held;
  for (const [username, progress] of moves) {
    members = put(members, username, advanced(members.get(username) ?? newMember(username, ''), progress));
  }
  if (members === held) return state;
  if (!conversation) return { ...state, early: put(state.early, id, members, MAX_EARLY) };
  const changed = withMembers(conversation, members, state);
  return dropRetries({ ...state, conversations: put(state.conversations, id, changed) }, changed);
}

/** Set the members; where the user has read on, less is unread. */
function withMembers(conversation: Conversation, members: Conversation['members'], state: State): Conversation {
  const changed = { ...conversation, members };
  const readSeq = readSeqOf(changed, state.me);
  if (readSeq === readSeqOf(conversation, state.me)) return changed;
  return update(changed, unreadAfterReading(conversation, readSeq, state.runs.get(conversation.id), state.me));
}

/** Let what came before its conversation hold for it. */
export function withEarly(state: State, conversation: Conversation): Conversation {
  const early = state.early.get(conversation.id);
  if (!early) return conversation;
  let { members } = conversation;
  for (const [username, progress] of early) {
    members = put(members, username, advanced(members.get(username) ?? newMember(username, ''), progress));
  }
  return members === conversation.members ? conversation : withMembers(conversation, members, state);
}

export const readSeqOf = (conversation: Conversation, me: User): number =>
  conversation.members.get(me.username)?.readSeq ?? 0;

/** Whoever has the messages needs no more attempts. */
export function dropRetries(state: State, conversation: Conversation): State {
  const held = state.retries.get(conversation.id);
  if (!held) return state;
  let left = held;
  for (const [username, { upToSeq }] of held) {
    if ((conversation.members.get(username)?.deliveredSeq ?? 0) >= upToSeq) left = without(left, username);
  }
  if (left === held) return state;
  const retries = left.size > 0 ? put(state.retries, conversation.id, left) : without(state.retries, conversation.id);
  return { ...state, retries };
}
