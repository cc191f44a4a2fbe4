/** What the client knows, as immutable values; `reduce.ts` alone makes new ones. */

import type {
  ClientId,
  ConversationId,
  ConversationView,
  MemberCursor,
  Message,
  MessageItem,
  PeerCursor,
  Presence,
  ServerFrame,
  Time,
  User,
  Username,
} from '../protocol';

/** How far a member is. A receipt may overtake its message: these are watermarks that only grow. */
export interface Member {
  readonly username: Username;
  readonly displayName: string;
  readonly deliveredSeq: number;
  readonly readSeq: number;
  /** When the watermark came to where it is, if that is known. */
  readonly deliveredAt: Time | null;
  readonly readAt: Time | null;
}

/** A conversation in the list. */
export interface Conversation {
  readonly id: ConversationId;
  readonly kind: 'direct' | 'group';
  /** What the list and the header call it. */
  readonly title: string;
  /** The other one of a direct conversation. */
  readonly peer: Username | null;
  /** All members by username, oneself included. */
  readonly members: ReadonlyMap<Username, Member>;
  /** The newest change that is in here: a change above it is still to come. */
  readonly rev: number;
  readonly lastSeq: number;
  readonly lastMessage: Message | null;
  /** Messages of others above the own read watermark. Where `isStale`, an estimate until it is fetched. */
  readonly unread: number;
  readonly firstUnreadSeq: number | null;
  readonly muted: boolean;
  readonly pinned: boolean;
  readonly archived: boolean;
  readonly draft: string;
  /** The server does not have this draft yet: what it has is older. */
  readonly isDraftUnsaved?: boolean;
  /** Whether the user blocks the peer. */
  readonly blocked: boolean;
  /** What happened can't be counted from what is held: fetch this conversation again. */
  readonly isStale: boolean;
}

/** A run of messages without a gap, ascending by seq: what is on the screen, and a little around it. */
export interface Run {
  readonly messages: readonly Message[];
  /** Nothing older exists. */
  readonly reachesStart: boolean;
  /** Nothing newer exists: new messages are put at the end. */
  readonly reachesEnd: boolean;
}

/** What became of the messages to one who is away. */
export interface RetryState {
  readonly status: 'retrying' | 'failed';
  readonly upToSeq: number;
  readonly retryCount: number;
  readonly maxRetries: number;
  readonly nextRetryAt: Time | null;
  readonly reason: string | null;
}

export interface Seen {
  readonly status: Presence;
  readonly lastSeen: Time | null;
}

export interface State {
  readonly me: User;
  readonly epoch: string;
  readonly conversations: ReadonlyMap<ConversationId, Conversation>;
  /** The `rev` up to which each conversation is known: what `hello` says. */
  readonly cursors: Readonly<Record<ConversationId, number>>;
  /** Conversations with a hole between live frames, or told to `resync`: fetch what changed after their cursor. */
  readonly behind: ReadonlySet<ConversationId>;
  /** Those of them where no late frame can help: the server said so, or too much is held back. */
  readonly told: ReadonlySet<ConversationId>;
  /** Live messages above a hole, ascending by rev: shown, but not counted before the hole is filled. */
  readonly heldBack: ReadonlyMap<ConversationId, readonly Message[]>;
  /** Watermarks of conversations that are not in the list: they hold when those come. */
  readonly early: ReadonlyMap<ConversationId, ReadonlyMap<Username, Member>>;
  /** The runs of conversations that are or were open in this tab. */
  readonly runs: ReadonlyMap<ConversationId, Run>;
  /** Who types where, and until when (Unix ms by this machine's clock). */
  readonly typing: ReadonlyMap<ConversationId, ReadonlyMap<Username, number>>;
  readonly presence: ReadonlyMap<Username, Seen>;
  /** By conversation, then by recipient. */
  readonly retries: ReadonlyMap<ConversationId, ReadonlyMap<Username, RetryState>>;
}

/** All that can happen to a state. Everything that carries time carries it as a field: `reduce` reads no clock. */
export type Event =
  /**
   * A first or fresh list of conversations, newest message first. Those it does not name stay; where it `isWhole`
   * (archived ones included), only what is newer than the list stays.
   */
  | { kind: 'listed'; views: readonly ConversationView[]; isWhole: boolean }
  /** One conversation read anew. */
  | { kind: 'conversation'; view: ConversationView }
  /** A page was read for the run of a conversation. `place` says where it belongs. */
  | {
      kind: 'page';
      conversationId: ConversationId;
      messages: readonly (Message | MessageItem)[];
      members: readonly (MemberCursor | PeerCursor)[];
      place: 'instead' | 'older' | 'newer';
      reachesStart: boolean;
      reachesEnd: boolean;
    }
  /** A page of what changed after a cursor (`sync`, by socket or by HTTP). */
  | {
      kind: 'synced';
      conversationId: ConversationId;
      messages: readonly Message[];
      members: readonly MemberCursor[];
      rev: number;
      complete: boolean;
    }
  /** A frame of the server. `isLive`: it came after `caught_up`, so that a hole before it counts. */
  | { kind: 'frame'; frame: ServerFrame; isLive: boolean; nowMs: number }
  /** An own message of this browser was stored: the ack, with what was sent. */
  | { kind: 'stored'; message: Message; isLive: boolean }
  /** What the user keeps about a conversation changed here. */
  | {
      kind: 'kept';
      conversationId: ConversationId;
      muted?: boolean;
      pinned?: boolean;
      archived?: boolean;
      draft?: string;
      isDraftUnsaved?: boolean;
      blocked?: boolean;
    }
  /** A conversation that does not exist at the server yet was opened from the search of people. */
  | { kind: 'begun'; conversationId: ConversationId; peer: { username: Username; displayName: string } }
  /** The conversation is not there any more, or not the user's: all that is held of it is dropped. */
  | { kind: 'gone'; conversationId: ConversationId }
  /** The run of a conversation is not looked at any more. */
  | { kind: 'closed'; conversationId: ConversationId }
  /** Time went on: who typed until before `nowMs` types no more. */
  | { kind: 'tick'; nowMs: number }
  /** The connection is gone: nobody is known to type, and presence is not known. */
  | { kind: 'disconnected' };

/** How far an own message is, derived from the others' watermarks: never stored. */
export type MessageState = 'sent' | 'delivered' | 'read';

/** A message that waits in this browser. It is kept in IndexedDB before it is shown. */
export interface OutboxEntry {
  readonly id: ClientId;
  /** Entries of a conversation go out in this order, one at a time. */
  readonly order: number;
  readonly conversationId: ConversationId;
  /** The peer of a direct conversation: it may not exist yet, so the message names them. */
  readonly to: Username | null;
  readonly content: string;
  readonly replyTo: string | null;
  /** What the user had seen when sending: moves the own read cursor with the message. */
  readonly seenSeq: number | null;
  readonly createdAt: Time;
  /** `queued`: waits. `accepted`: the server has it in its log and will store it. `failed`: refused for good. */
  readonly state: 'queued' | 'accepted' | 'failed';
  /** Why it failed: the code and sentence of the refusal. */
  readonly problem: { readonly code: string; readonly detail: string } | null;
}
