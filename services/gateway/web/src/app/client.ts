/** What the views know of the rest: signals to read, and actions. They know nothing else. */

import type { ReadonlySignal } from '@preact/signals';
import type { Connection } from '../link/transport';
import type {
  BlockedPerson,
  ChosenPresence,
  ConversationId,
  Message,
  MessageId,
  Person,
  Profile,
  Session,
  Settings,
  Timeline,
  Username,
} from '../protocol';
import type { OutboxEntry, State } from '../state/model';

/** Where to go in a conversation. */
export type Place =
  | { readonly to: 'latest' }
  | { readonly to: 'unread' }
  | { readonly to: 'message'; readonly messageId: MessageId }
  /** The first message of that local day, or the next one after it. */
  | { readonly to: 'date'; readonly date: Date };

/** How far a read of a conversation is. */
export interface Loading {
  readonly older: boolean;
  readonly newer: boolean;
  /** The first page, or a jump. */
  readonly place: boolean;
  /** The last read failed: a sentence for people. Reading again clears it. */
  readonly problem: string | null;
}

/** A signed-in user's client in this tab. */
export interface Client {
  readonly state: ReadonlySignal<State>;
  readonly profile: ReadonlySignal<Profile>;
  readonly connection: ReadonlySignal<Connection>;
  /** Whether the connection has been bad for 2 s: only then people are told. */
  readonly isTroubled: ReadonlySignal<boolean>;
  /** Whether what waits in this browser survives the page; where the browser keeps nothing, people are told. */
  readonly isDurable: boolean;
  /** All that waits in this browser, in order. */
  readonly outbox: ReadonlySignal<readonly OutboxEntry[]>;
  /** The list is read: before, show placeholders. `hasMore`: `loadMoreConversations` brings more. */
  readonly list: ReadonlySignal<{ readonly isReady: boolean; readonly hasMore: boolean; readonly isLoading: boolean }>;
  readonly loading: ReadonlySignal<ReadonlyMap<ConversationId, Loading>>;
  readonly chosenPresence: ReadonlySignal<ChosenPresence>;
  /** Characters a message may have. */
  readonly contentLimit: ReadonlySignal<number>;
  /** A newer version of the client waits: calling it reloads into it. */
  readonly update: ReadonlySignal<(() => void) | null>;
  /** The last incoming message of the open conversation, for the announcer. */
  readonly announcement: ReadonlySignal<{
    readonly sender: string;
    readonly content: string;
    readonly n: number;
  } | null>;

  /** Look at a conversation: reads its first page (at the first unread message, if there is one). */
  open(conversationId: ConversationId): Promise<void>;
  /** Nothing is looked at any more (the list alone, on a phone). */
  close(): void;
  /** The conversation that is looked at. */
  readonly openId: ReadonlySignal<ConversationId | null>;
  /** First unread message when the conversation was opened: where the divider stays during the visit. */
  readonly dividerSeq: ReadonlySignal<number | null>;
  /** Find or begin the direct conversation with somebody. */
  begin(username: Username): Promise<ConversationId>;
  loadMoreConversations(): Promise<void>;
  /** Read the list of archived ones too. */
  loadArchived(): Promise<void>;

  loadOlder(conversationId: ConversationId): Promise<void>;
  loadNewer(conversationId: ConversationId): Promise<void>;
  /** Go to a place. Answers with the message to put on the screen, null where there is none. */
  jump(conversationId: ConversationId, place: Place): Promise<MessageId | null>;
  /** The message a reply quotes, out of what is held, else read; null where it is gone. */
  quoted(conversationId: ConversationId, messageId: MessageId): ReadonlySignal<Message | null | undefined>;

  /** Write it to this browser's storage, then send it; resolves once it is stored there and shown as queued. */
  send(conversationId: ConversationId, content: string, replyTo?: MessageId): Promise<void>;
  /** Try a failed entry again, at its old place in the order. */
  retry(id: string): Promise<void>;
  retryAll(): Promise<void>;
  discard(id: string): Promise<void>;
  /** Have the server try again now to reach whoever has not got a message. */
  redrive(messageId: MessageId): Promise<void>;
  timeline(messageId: MessageId): Promise<Timeline>;

  /** Rows up to this seq were on the screen while the tab was visible and focused. */
  shown(conversationId: ConversationId, seq: number): void;
  /** A key was pressed in the composer (`true`), or it was emptied or left (`false`). */
  typing(conversationId: ConversationId, isTyping: boolean): void;
  saveDraft(conversationId: ConversationId, draft: string): void;

  searchPeople(query: string, signal: AbortSignal): Promise<Person[]>;
  keep(
    conversationId: ConversationId,
    change: { muted?: boolean; pinned?: boolean; archived?: boolean },
  ): Promise<void>;
  /** Mark everything as read. */
  markRead(conversationId: ConversationId): Promise<void>;
  block(username: Username, isBlocked: boolean): Promise<void>;
  blocked(): Promise<BlockedPerson[]>;

  choosePresence(status: ChosenPresence): void;
  changeProfile(change: { display_name?: string; settings?: Partial<Settings> }): Promise<void>;
  changePassword(old: string, fresh: string): Promise<void>;
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  /** End the session, wipe what this browser keeps of the user, in all tabs. `keepsOutbox` is told first if it is not empty. */
  signOut(): Promise<void>;
  /** Try to connect now. */
  reconnect(): void;
}
