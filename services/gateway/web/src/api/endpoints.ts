/** The HTTP interface, an endpoint a function. All throw `ApiError`. */

import type {
  Belongings,
  BlockedPerson,
  ChosenPresence,
  ConversationId,
  ConversationView,
  CursorView,
  HistoryPage,
  Items,
  MessageId,
  MessageItem,
  MessageList,
  MessageStatus,
  Person,
  PresenceItem,
  Profile,
  QueueItem,
  QueuedMessage,
  SendFrame,
  SentMessage,
  Session,
  Settings,
  SignedIn,
  Synced,
  Timeline,
  Username,
} from '../protocol';
import { type RequestOptions, request } from './request';

const part = encodeURIComponent;

/** At most one of the places. `around_seq` is around a seq, `at` from a time on (RFC 3339). */
export interface PagePlace {
  readonly before?: string;
  readonly after?: string;
  readonly around?: MessageId;
  readonly around_seq?: number;
  readonly at?: string;
}

export const register = (username: string, password: string, displayName?: string): Promise<SignedIn> =>
  request('POST', '/api/v1/auth/register', {
    body: { username, password, ...(displayName ? { display_name: displayName } : {}) },
  });
export const login = (username: string, password: string): Promise<SignedIn> =>
  request('POST', '/api/v1/auth/login', { body: { username, password } });
export const logout = (): Promise<void> => request('POST', '/api/v1/auth/logout');

export const me = (): Promise<{ user: Profile }> => request('GET', '/api/v1/me');
export const changeMe = (change: { display_name?: string; settings?: Partial<Settings> }): Promise<{ user: Profile }> =>
  request('PATCH', '/api/v1/me', { body: change });
export const changePassword = (old: string, fresh: string): Promise<void> =>
  request('PUT', '/api/v1/me/password', { body: { old, new: fresh } });
export const choosePresence = (status: ChosenPresence, signal?: AbortSignal): Promise<{ status: ChosenPresence }> =>
  request('PUT', '/api/v1/me/presence', { body: { status }, signal });
export const chosenPresence = (): Promise<{ status: ChosenPresence }> => request('GET', '/api/v1/me/presence');
export const sessions = (): Promise<Items<Session>> => request('GET', '/api/v1/sessions');
export const endSession = (id: string): Promise<void> => request('DELETE', `/api/v1/sessions/${part(id)}`);

export const conversations = (cursor?: string, archived?: boolean): Promise<Items<ConversationView>> =>
  request('GET', '/api/v1/conversations', { query: { page_size: 50, cursor, archived } });
export const conversation = (id: ConversationId): Promise<ConversationView> =>
  request('GET', `/api/v1/conversations/${part(id)}`);
export const keep = (id: ConversationId, change: Partial<Belongings>): Promise<Belongings> =>
  request('PATCH', `/api/v1/conversations/${part(id)}/me`, { body: change });
export const messages = (id: ConversationId, place: PagePlace, pageSize: number): Promise<MessageList> =>
  request('GET', `/api/v1/conversations/${part(id)}/messages`, { query: { ...place, page_size: pageSize } });
export const history = (username: Username, pageSize: number): Promise<HistoryPage> =>
  request('GET', `/messages/history/${part(username)}/`, { query: { page_size: pageSize } });
export const message = (id: MessageId, signal?: AbortSignal): Promise<MessageItem> =>
  request('GET', `/api/v1/messages/${part(id)}`, { signal });
export const messageStatus = (id: MessageId, signal?: AbortSignal): Promise<MessageStatus> =>
  request('GET', `/api/v1/messages/${part(id)}/status`, { signal });
export const timeline = (id: MessageId): Promise<Timeline> => request('GET', `/api/v1/messages/${part(id)}/timeline`);
export const redrive = (id: MessageId): Promise<{ items: QueueItem[] }> =>
  request('POST', `/api/v1/queue/${part(id)}/retry`);

/** Send what a frame would send; 202 answers with `status` "queued". */
export const send = (frame: SendFrame, signal?: AbortSignal): Promise<SentMessage | QueuedMessage> => {
  const { type: _type, to, conversation_id: conversationId, ...body } = frame;
  if (to !== undefined) return request('POST', `/messages/send/${part(to)}/`, { body, signal });
  return request('POST', `/api/v1/conversations/${part(conversationId ?? '')}/messages`, { body, signal });
};
export const moveCursor = (
  id: ConversationId,
  cursor: { delivered_seq?: number; read_seq?: number },
  signal?: AbortSignal,
): Promise<CursorView> => request('PUT', `/api/v1/conversations/${part(id)}/cursor`, { body: cursor, signal });
export const typing = (id: ConversationId, state: 'start' | 'stop', signal?: AbortSignal): Promise<void> =>
  request('POST', `/api/v1/conversations/${part(id)}/typing`, { body: { state }, signal });
/** What was missed; where that is nothing, a wait of up to `wait_s` (at most 25) for what comes. */
export const sync = (
  question: { epoch?: string; cursors: Record<ConversationId, number>; wait_s: number; watch: readonly Username[] },
  options: Pick<RequestOptions, 'signal' | 'timeoutMs'>,
): Promise<Synced> => request('POST', '/api/v1/sync', { ...options, body: question });

export const people = (query: string, signal?: AbortSignal): Promise<Items<Person>> =>
  request('GET', '/api/v1/users', { query: { q: query }, signal });
export const person = (username: Username): Promise<Person> => request('GET', `/api/v1/users/${part(username)}`);
export const presence = (username: Username): Promise<PresenceItem> =>
  request('GET', `/api/v1/users/${part(username)}/presence`);
export const block = (username: Username, isBlocked: boolean): Promise<void> =>
  request(isBlocked ? 'PUT' : 'DELETE', `/api/v1/users/${part(username)}/block`);
export const blocked = (): Promise<Items<BlockedPerson>> => request('GET', '/api/v1/me/blocks');
