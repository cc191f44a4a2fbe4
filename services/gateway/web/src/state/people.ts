/** Who types, who is there, and whom messages do not reach: for a while, and bounded. */

import type { ConversationId, MessageStatusFrame, TypingFrame, Username, UserStatusFrame } from '../protocol';
import { put, update, without } from './changes';
import type { RetryState, State } from './model';

/** Of each the oldest goes when another one comes. */
export const MAX_TYPED_IN = 200;
export const MAX_TYPERS = 20;
export const MAX_PRESENCE = 1_000;
export const MAX_RETRIED = 500;

/** Somebody types, or stopped. */
export function type(
  state: State,
  { conversation_id: id, user, state: is, ttl_ms: ttlMs }: TypingFrame,
  nowMs: number,
): State {
  if (user === state.me.username) return state;
  if (is === 'stop') return stopTyping(state, id, user);
  const typers = put(state.typing.get(id) ?? new Map(), user, nowMs + ttlMs, MAX_TYPERS);
  return update(state, { typing: put(state.typing, id, typers, MAX_TYPED_IN) });
}

export function stopTyping(state: State, id: ConversationId, user: Username): State {
  const typers = state.typing.get(id);
  return typers?.has(user) ? withTypers(state, id, without(typers, user)) : state;
}

/** Time went on: drop whoever has not typed for too long. */
export function expireTyping(state: State, nowMs: number): State {
  let changed = state;
  for (const [id, typers] of state.typing) {
    for (const [user, untilMs] of typers) if (untilMs <= nowMs) changed = stopTyping(changed, id, user);
  }
  return changed;
}

function withTypers(state: State, id: ConversationId, typers: ReadonlyMap<Username, number>): State {
  return { ...state, typing: typers.size > 0 ? put(state.typing, id, typers) : without(state.typing, id) };
}

/** Somebody is there, or not. */
export function see(state: State, { user, status, last_seen }: UserStatusFrame): State {
  const lastSeen = last_seen ?? null;
  const held = state.presence.get(user);
  if (held?.status === status && held.lastSeen === lastSeen) return state;
  return { ...state, presence: put(without(state.presence, user), user, { status, lastSeen }, MAX_PRESENCE) };
}

/** Without a connection nobody is known to type or to be there. */
export function disconnect(state: State): State {
  const typing: State['typing'] = state.typing.size > 0 ? new Map() : state.typing;
  const presence: State['presence'] = state.presence.size > 0 ? new Map() : state.presence;
  return update(state, { typing, presence });
}

/** Messages do not reach somebody, who may have them meanwhile. */
export function noteRetry(state: State, frame: MessageStatusFrame): State {
  const { conversation_id: id, status, user, up_to_seq: upToSeq } = frame;
  if (user === undefined || upToSeq === undefined || (status !== 'retrying' && status !== 'failed')) return state;
  if (deliveredTo(state, id, user) >= upToSeq) return state;
  const held = state.retries.get(id);
  const retry: RetryState = {
    status,
    upToSeq,
    retryCount: frame.retry_count ?? 0,
    maxRetries: frame.max_retries ?? 0,
    nextRetryAt: frame.next_retry_at ?? null,
    reason: frame.reason ?? null,
  };
  const known = held?.get(user);
  const changed = put(held ?? new Map<Username, RetryState>(), user, known ? update(known, retry) : retry);
  return update(state, { retries: put(state.retries, id, changed, MAX_RETRIED) });
}

const deliveredTo = (state: State, id: ConversationId, user: Username): number =>
  (state.conversations.get(id)?.members ?? state.early.get(id))?.get(user)?.deliveredSeq ?? 0;
