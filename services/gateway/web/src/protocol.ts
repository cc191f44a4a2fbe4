/**
 * The wire protocol, version 1: frames of the socket and bodies of the HTTP interface, as docs/protocol.md has them.
 * A test compares these types with those of the gateway.
 */

export const VERSION = 1;
export const SUBPROTOCOL = 'parley.v1.json';

/** An instant: RFC 3339, UTC, milliseconds. */
export type Time = string;
export type Username = string;
export type ConversationId = string;
export type MessageId = string;
/** Made by the client, 1-64 of `[A-Za-z0-9_-]`; the same on every try. */
export type ClientId = string;

export type Presence = 'online' | 'away' | 'dnd' | 'offline';
export type ChosenPresence = 'online' | 'away' | 'dnd' | 'invisible';
export type ReceiptState = 'delivered' | 'read';

// ---- From the client ---------------------------------------------------------------------------

export interface HelloFrame {
  type: 'hello';
  v: number;
  device_id: string;
  epoch?: string;
  cursors?: Record<ConversationId, number>;
}

export interface SendFrame {
  type: 'message';
  id: ClientId;
  content: string;
  to?: Username;
  conversation_id?: ConversationId;
  content_type?: string;
  reply_to?: MessageId;
  mentions?: Username[];
  seen_seq?: number;
}

export interface SendReceiptFrame {
  type: 'read_receipt';
  conversation_id: ConversationId;
  state: ReceiptState;
  up_to_seq: number;
}

export interface SyncFrame {
  type: 'sync';
  id: ClientId;
  conversation_id: ConversationId;
  after_rev: number;
  limit?: number;
}

export interface SendStatusFrame {
  type: 'user_status';
  status?: ChosenPresence;
  watch?: Username[];
  unwatch?: Username[];
}

export interface SendTypingFrame {
  type: 'typing';
  state: 'start' | 'stop';
  to?: Username;
  conversation_id?: ConversationId;
}

export interface PingFrame {
  type: 'ping';
  n: number;
}

export interface PongFrame {
  type: 'pong';
  n: number;
}

export type ClientFrame =
  | HelloFrame
  | SendFrame
  | SendReceiptFrame
  | SyncFrame
  | SendStatusFrame
  | SendTypingFrame
  | PingFrame
  | PongFrame;

// ---- From the server ---------------------------------------------------------------------------

export interface User {
  id: string;
  username: Username;
  display_name: string;
}

export interface Message {
  message_id: MessageId;
  conversation_id: ConversationId;
  seq: number;
  rev: number;
  sender: Username;
  content: string;
  content_type: string;
  sent_at: Time;
  reply_to?: MessageId;
  mentions?: Username[];
  /** Only to the sender's own devices. */
  id?: ClientId;
}

export interface MessageFrame extends Message {
  type: 'message';
}

export interface WelcomeFrame {
  type: 'welcome';
  session_id: string;
  user: User;
  epoch: string;
  heartbeat_ms: number;
  limits: Record<string, number>;
  server_time: Time;
}

export interface CaughtUpFrame {
  type: 'caught_up';
  replayed: number;
  cursors: Record<ConversationId, number>;
  more?: ConversationId[];
}

export interface AckFrame {
  type: 'ack';
  re: ClientId;
  message_id: MessageId;
  conversation_id: ConversationId;
  seq: number;
  rev: number;
  status: 'sent';
  sent_at: Time;
  duplicate: boolean;
}

export interface MessageStatusFrame {
  type: 'message_status';
  message_id: MessageId;
  conversation_id: ConversationId;
  status: 'queued' | 'sent' | 'retrying' | 'failed';
  at: Time;
  user?: Username;
  up_to_seq?: number;
  retry_count?: number;
  max_retries?: number;
  next_retry_at?: Time;
  reason?: string;
}

export interface TypingFrame {
  type: 'typing';
  conversation_id: ConversationId;
  user: Username;
  state: 'start' | 'stop';
  ttl_ms: number;
}

export interface ReceiptFrame {
  type: 'read_receipt';
  conversation_id: ConversationId;
  user: Username;
  state: ReceiptState;
  up_to_seq: number;
  at: Time;
}

export interface UserStatusFrame {
  type: 'user_status';
  user: Username;
  status: Presence;
  last_seen?: Time;
}

export interface MemberCursor {
  username: Username;
  delivered_seq: number;
  read_seq: number;
}

export interface SyncPageFrame {
  type: 'sync_page';
  re: ClientId;
  conversation_id: ConversationId;
  messages: Message[];
  members: MemberCursor[];
  rev: number;
  complete: boolean;
}

export interface ResyncFrame {
  type: 'resync';
  reason: 'gap' | 'epoch_changed' | 'broker_reconnect' | 'slow' | 'access_changed';
  conversation_id?: ConversationId;
}

export interface ErrorFrame {
  type: 'error';
  code: string;
  detail: string;
  retryable: boolean;
  re?: ClientId;
  retry_after_ms?: number;
  fields?: Record<string, string>;
}

export interface GoodbyeFrame {
  type: 'goodbye';
  code: string;
  reason: string;
  reconnect: boolean;
  after_ms: number;
}

export type ServerFrame =
  | WelcomeFrame
  | CaughtUpFrame
  | MessageFrame
  | AckFrame
  | MessageStatusFrame
  | TypingFrame
  | ReceiptFrame
  | UserStatusFrame
  | SyncPageFrame
  | ResyncFrame
  | ErrorFrame
  | GoodbyeFrame
  | PingFrame
  | PongFrame;

// ---- HTTP ----------------------------------------------------------------------------------------

/** An error of the HTTP interface (RFC 9457). `type` is `/problems/<code>`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  retryable: boolean;
  request_id: string;
  errors?: Record<string, string>;
}

export interface SignedIn {
  user: User;
  csrf_token: string;
}

export interface Settings {
  read_receipts: boolean;
  typing: boolean;
  last_seen: boolean;
}

export interface Profile extends User {
  settings: Settings;
}

export interface Person {
  username: Username;
  display_name: string;
}

export interface BlockedPerson extends Person {
  since: Time;
}

export interface Items<T> {
  items: T[];
  next: string | null;
  prev: string | null;
}

export interface Session {
  id: string;
  kind: string;
  name: string;
  created_at: Time;
  last_used_at: Time;
  expires_at: Time;
  current: boolean;
}

/** A message of a page, with what its sender would see of its way. */
export interface MessageItem extends Message {
  status: 'sent' | 'delivered' | 'read';
  delivered_at: Time | null;
  read_at: Time | null;
}

export interface PeerCursor extends MemberCursor {
  delivered_at: Time | null;
  read_at: Time | null;
}

interface MessagePage {
  next: string | null;
  prev: string | null;
  /** Whether there is more in the direction asked for: older, unless `after` was given. */
  has_more: boolean;
  first_unread_seq: number | null;
}

/** A page of the conversation with somebody; one that does not exist yet is empty, and has its id already. */
export interface HistoryPage extends MessagePage {
  conversation_id: ConversationId;
  messages: MessageItem[];
  peer: PeerCursor;
}

/** A page of a conversation. */
export interface MessageList extends MessagePage {
  items: MessageItem[];
  members: PeerCursor[];
}

export interface MemberView extends MemberCursor {
  display_name: string;
}

/** A conversation as its list has it. */
export interface ConversationView {
  conversation_id: ConversationId;
  kind: 'direct' | 'group';
  rev: number;
  last_seq: number;
  last_message: MessageItem | null;
  unread: number;
  first_unread_seq: number | null;
  delivered_seq: number;
  read_seq: number;
  members: MemberView[];
  peer?: MemberView;
  muted: boolean;
  pinned: boolean;
  archived: boolean;
  draft: string;
  blocked: boolean;
}

/** What a member keeps about a conversation for themselves. */
export interface Belongings {
  muted: boolean;
  pinned: boolean;
  archived: boolean;
  draft: string;
}

export interface SyncPage {
  conversation_id: ConversationId;
  messages: Message[];
  members: MemberCursor[];
  rev: number;
  complete: boolean;
}

export interface PresenceItem {
  user: Username;
  status: Presence;
  last_seen?: Time;
}

export interface Synced {
  epoch: string;
  conversations: SyncPage[];
  cursors: Record<ConversationId, number>;
  more: ConversationId[];
  typing: Omit<TypingFrame, 'type'>[];
  presence: PresenceItem[];
}

export interface SentMessage {
  message_id: MessageId;
  conversation_id: ConversationId;
  seq: number;
  rev: number;
  status: 'sent';
  sent_at: Time;
  duplicate: boolean;
}

/** Accepted by the log, not stored yet. */
export interface QueuedMessage {
  message_id: MessageId;
  conversation_id: ConversationId;
  status: 'queued';
}

/** Where one's own cursors stand now. */
export interface CursorView {
  conversation_id: ConversationId;
  delivered_seq: number;
  read_seq: number;
}

export interface MessageStatus {
  message_id: MessageId;
  conversation_id: ConversationId;
  status: 'queued' | 'sent' | 'delivered' | 'read' | 'failed';
  seq: number | null;
  delivered_at: Time | null;
  read_at: Time | null;
  reason: string | null;
}

export interface AttemptView {
  at: Time;
  attempt: number;
  outcome: 'retrying' | 'failed';
}

/** How far a message is with one recipient. */
export interface RecipientProgress {
  user: Username;
  status: 'sent' | 'retrying' | 'failed' | 'delivered' | 'read';
  attempts: AttemptView[];
  retry_count: number;
  max_retries: number;
  next_retry_at: Time | null;
  reason: string | null;
  delivered_at: Time | null;
  read_at: Time | null;
}

/** The way of one's own message, from acceptance on. */
export interface Timeline {
  message_id: MessageId;
  conversation_id: ConversationId;
  seq: number | null;
  status: 'queued' | 'sent' | 'delivered' | 'read' | 'failed';
  reason: string | null;
  accepted_at: Time | null;
  stored_at: Time | null;
  recipients: RecipientProgress[];
}

/** A message of one's own that has not reached somebody. */
export interface QueueItem {
  message_id: MessageId;
  conversation_id: ConversationId;
  to: Username | null;
  seq: number | null;
  status: 'queued' | 'sent' | 'retrying' | 'failed';
  retry_count: number;
  max_retries: number;
  next_retry_at: Time | null;
  reason: string | null;
}
