import type { Client } from '../../app/client';
import type { ConversationId, MessageId } from '../../protocol';
import type { Anchor } from './keeper';

/** Where a conversation was left: away from its end. */
export interface Left {
  readonly anchor: Anchor;
  /** The message of the anchor's row, to be read again where it is not held any more. */
  readonly messageId: MessageId;
}

/** So many conversations are remembered; the one left longest ago goes. */
const MAX_REMEMBERED = 50;
const visits = new WeakMap<Client, Map<ConversationId, Left>>();

/** Where a conversation was left in this visit; undefined: at its end, or never opened. */
export function leftAt(client: Client, id: ConversationId): Left | undefined {
  return visits.get(client)?.get(id);
}

/** Remember where a conversation is left; null: at its end. */
export function leave(client: Client, id: ConversationId, left: Left | null): void {
  const visit = visits.get(client) ?? new Map<ConversationId, Left>();
  visits.set(client, visit);
  visit.delete(id);
  if (left) visit.set(id, left);
  const oldest = visit.keys().next();
  if (visit.size > MAX_REMEMBERED && !oldest.done) visit.delete(oldest.value);
}
