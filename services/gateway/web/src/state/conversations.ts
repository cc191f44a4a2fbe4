/** Conversations of the list: read from the server, and kept up by what happens. */

import type { ConversationId, ConversationView, Message, User, Username } from '../protocol';
import { put, remove, update, without } from './changes';
import { messageOf, newer } from './messages';
import type { Conversation, Event, Member, State } from './model';
import { advanced, dropRetries, newMember, readSeqOf, withEarly } from './receipts';
import { addToRun, settleRun } from './runs';
import { unreadAfterMessage, unreadAfterView } from './unread';

type Listed = Extract<Event, { kind: 'listed' }>;
type Begun = Extract<Event, { kind: 'begun' }>;
type Kept = Extract<Event, { kind: 'kept' }>;

/** Take a list in. */
export function list(state: State, { views, isWhole }: Listed): State {
  let changed = state;
  for (const view of views) changed = addView(changed, view);
  return isWhole ? dropUnnamed(changed, views) : changed;
}

/** A conversation that a whole list does not name is gone, unless it is newer than the list. */
function dropUnnamed(state: State, views: readonly ConversationView[]): State {
  const named = new Set(views.map(view => view.conversation_id));
  const newest = views.reduce(
    (time, { last_message: last }) => (last && last.sent_at > time ? last.sent_at : time),
    '',
  );
  let changed = state;
  for (const { id, isStale, lastSeq, lastMessage } of state.conversations.values()) {
    const isNewer = isStale || lastSeq === 0 || (lastMessage && lastMessage.sent_at > newest);
    if (!named.has(id) && !isNewer) changed = dropConversation(changed, id);
  }
  return changed;
}

/** Drop all that is held of a conversation. */
export function dropConversation(state: State, id: ConversationId): State {
  const { [id]: _cursor, ...cursors } = state.cursors;
  return update(state, {
    conversations: without(state.conversations, id),
    cursors: id in state.cursors ? cursors : state.cursors,
    behind: remove(state.behind, id),
    told: remove(state.told, id),
    heldBack: without(state.heldBack, id),
    early: without(state.early, id),
    runs: without(state.runs, id),
    typing: without(state.typing, id),
    retries: without(state.retries, id),
  });
}

/** Take in a conversation that was read anew. What events have told beyond it stays. */
export function addView(state: State, view: ConversationView): State {
  const { conversation_id: id, kind } = view;
  const held = state.conversations.get(id) ?? unknown(state, id, state.early.get(id));
  const members = membersOf(view, held.members, state.me);
  const fresh = view.last_message && messageOf(view.last_message);
  const lastMessage = fresh && held.lastMessage ? newest(held.lastMessage, fresh) : (held.lastMessage ?? fresh);
  const lastSeq = Math.max(held.lastSeq, view.last_seq);
  const readSeq = members.get(state.me.username)?.readSeq ?? 0;
  const reading = { readSeq, wasReadSeq: readSeqOf(held, state.me), lastSeq, lastMessage };
  const unread = unreadAfterView(view, held, reading, state.runs.get(id), state.me);
  const isOlder = held.isStale && view.rev < held.rev;
  const changed = addConversation(
    state,
    update(held, {
      ...{ kind, members, lastSeq, lastMessage, title: titleOf(view, state.me) },
      peer: view.peer?.username ?? null,
      rev: Math.max(held.rev, view.rev),
      ...unread,
      isStale: unread.isStale || isOlder,
      ...{ muted: view.muted, pinned: view.pinned, archived: view.archived, blocked: view.blocked },
      draft: held.isDraftUnsaved ? held.draft : view.draft,
    }),
  );
  // What is newer than the cursor still comes as a frame; all else must be in the run.
  return held.isStale || view.rev <= (state.cursors[id] ?? 0) ? settleRun(changed, id) : changed;
}

/** Put a conversation in the list, with what came before it. */
function addConversation(state: State, conversation: Conversation): State {
  const { id } = conversation;
  const whole = withEarly(state, conversation);
  const conversations = put(state.conversations, id, whole);
  return dropRetries(update(state, { conversations, early: without(state.early, id) }), whole);
}

/** Put a conversation in the list of which nothing is known: it is to be fetched. */
export function addUnknown(state: State, id: ConversationId): State {
  return state.conversations.has(id) ? state : addConversation(state, unknown(state, id));
}

function unknown(state: State, id: ConversationId, members: Conversation['members'] = new Map()): Conversation {
  return {
    ...{ id, kind: 'direct', title: '', peer: null, members },
    ...{ rev: state.cursors[id] ?? 0, lastSeq: 0, lastMessage: null, unread: 0, firstUnreadSeq: null },
    ...{ muted: false, pinned: false, archived: false, draft: '', blocked: false },
    isStale: true,
  };
}

function membersOf(view: ConversationView, held: Conversation['members'], me: User): Conversation['members'] {
  const members = new Map<Username, Member>();
  const own = { username: me.username, display_name: me.display_name, ...pick(view) };
  for (const each of [...view.members, own]) {
    const member = members.get(each.username) ?? held.get(each.username) ?? newMember(each.username, each.display_name);
    const named = each === own ? member : update(member, { displayName: each.display_name || each.username });
    members.set(each.username, advanced(named, { deliveredSeq: each.delivered_seq, readSeq: each.read_seq }));
  }
  const isSame = members.size === held.size && [...members].every(([name, member]) => held.get(name) === member);
  return isSame ? held : members;
}

const pick = ({ delivered_seq, read_seq }: ConversationView): Pick<ConversationView, 'delivered_seq' | 'read_seq'> => ({
  delivered_seq,
  read_seq,
});

function titleOf(view: ConversationView, me: User): string {
  const others = view.peer ? [view.peer] : view.members.filter(({ username }) => username !== me.username);
  return others.map(({ username, display_name: name }) => name || username).join(', ');
}

const newest = (held: Message, message: Message): Message => {
  if (held.message_id === message.message_id) return newer(held, message);
  return message.seq > held.seq ? message : held;
};

/** Take in a message, in whatever order. It counts as unread where it is newer than all before it. */
export function addMessage(state: State, message: Message): State {
  const { conversation_id: id } = message;
  const known = state.conversations.has(id) ? state : addConversation(state, begunBy(state, message));
  const conversation = known.conversations.get(id);
  if (!conversation) return state;
  const changed = withMessage(conversation, message, state.me);
  return addToRun(update(known, { conversations: put(known.conversations, id, changed) }), message);
}

function withMessage(conversation: Conversation, message: Message, me: User): Conversation {
  const { lastMessage, lastSeq } = conversation;
  const rev = Math.max(conversation.rev, message.rev);
  if (message.seq <= lastSeq) {
    return update(conversation, { rev, lastMessage: lastMessage ? newest(lastMessage, message) : null });
  }
  const unread = unreadAfterMessage(conversation, message, readSeqOf(conversation, me), me);
  return { ...conversation, rev, lastSeq: message.seq, lastMessage: message, ...unread };
}

/** What a message tells of a conversation that is not in the list; the rest is to be fetched. */
function begunBy(state: State, { conversation_id: id, sender, seq }: Message): Conversation {
  const { me } = state;
  const names = new Map([me.username, sender].map(username => [username, newMember(username, '')]));
  const peer = sender === me.username ? null : sender;
  return { ...unknown(state, id, names), title: peer ?? '', peer, lastSeq: seq - 1 };
}

/** Show a conversation that nobody has written in. */
export function begin(state: State, { conversationId: id, peer }: Begun): State {
  if (state.conversations.has(id)) return state;
  const { me } = state;
  const members = new Map([
    [me.username, newMember(me.username, me.display_name)],
    [peer.username, newMember(peer.username, peer.displayName)],
  ]);
  const title = peer.displayName || peer.username;
  return addConversation(state, { ...unknown(state, id, members), title, peer: peer.username, isStale: false });
}

/** Change what the user keeps about a conversation. */
export function keepBelongings(state: State, { conversationId: id, kind: _kind, ...change }: Kept): State {
  const conversation = state.conversations.get(id);
  if (!conversation) return state;
  return update(state, { conversations: put(state.conversations, id, update(conversation, change)) });
}
