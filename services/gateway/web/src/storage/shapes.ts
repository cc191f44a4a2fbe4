/** What was stored may be of another version of the client, or damaged: look before using it. */

import type { Message } from '../protocol';
import type { OutboxEntry } from '../state/model';
import type { Snapshot } from './storage';

/** Which shape a cached record has; raise it when `Snapshot`, `Conversation` or `Message` change. */
export const CACHE_FORMAT = 1;

export function isEntry(value: unknown): value is OutboxEntry {
  if (!isRecord(value)) return false;
  const { id, order, conversationId, content, state } = value;
  return [id, conversationId, content, state].every(isText) && Number.isFinite(order);
}

export function isSnapshot(value: unknown): value is Snapshot {
  if (!isRecord(value)) return false;
  const { profile, epoch, cursors, conversations } = value;
  return (
    isRecord(profile) &&
    isText(profile['id']) &&
    isText(profile['username']) &&
    isText(epoch) &&
    isRecord(cursors) &&
    Object.values(cursors).every(Number.isFinite) &&
    Array.isArray(conversations) &&
    conversations.every(isConversation)
  );
}

export function areMessages(value: unknown): value is Message[] {
  return Array.isArray(value) && value.every(isMessage);
}

function isConversation(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { id, title, members, lastSeq } = value;
  return isText(id) && isText(title) && members instanceof Map && Number.isFinite(lastSeq);
}

function isMessage(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { message_id: id, sender, content, sent_at: sentAt, seq, rev } = value;
  return [id, sender, content, sentAt].every(isText) && [seq, rev].every(Number.isFinite);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
