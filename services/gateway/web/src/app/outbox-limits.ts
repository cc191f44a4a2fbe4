/** How much may wait in a browser. */

const MOST_ENTRIES = 1_000;
/** The server ends a connection that brings a frame over 128 KiB: such a message would end every connection anew. */
const MOST_BYTES = 120_000;

/** A message can't be taken; the text is for people, and the composer keeps what they wrote. */
export class OutboxError extends Error {
  override readonly name = 'OutboxError';

  constructor(
    readonly code: 'full' | 'too_large',
    detail: string,
  ) {
    super(detail);
  }
}

/** @throws OutboxError There is no room for this message beside so many that wait. */
export function checkRoom(content: string, waiting: number): void {
  if (waiting >= MOST_ENTRIES) {
    throw new OutboxError('full', 'Too many messages wait to be sent. Let some of them go out, or delete some.');
  }
  if (new TextEncoder().encode(JSON.stringify(content)).length > MOST_BYTES) {
    throw new OutboxError('too_large', 'This message is too long to be sent.');
  }
}
