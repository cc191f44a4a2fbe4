/** A message in its versions. */

import type { Message, MessageItem, ServerFrame } from '../protocol';

/** The message alone, without what a frame or a page says beside it. */
export function messageOf(source: Message | MessageItem | (ServerFrame & { type: 'message' })): Message {
  const {
    type: _type,
    status: _status,
    delivered_at: _deliveredAt,
    read_at: _readAt,
    ...message
  } = source as Message & Record<'type' | 'status' | 'delivered_at' | 'read_at', unknown>;
  return message;
}

/** The newer version of a held message. The client's own id stays known: rows are named by it. */
export function newer(held: Message, message: Message): Message {
  if (message.rev <= held.rev) return held;
  return held.id === undefined || message.id !== undefined ? message : { ...message, id: held.id };
}
