/** Tells the others that the user types: at most every 3 s, and that it is over. */

import type { ClientFrame, ConversationId } from '../protocol';

const AGAIN_MS = 3_000;

export class Typist {
  readonly #send: (frame: ClientFrame) => boolean;
  readonly #started = new Map<ConversationId, number>();

  constructor(send: (frame: ClientFrame) => boolean) {
    this.#send = send;
  }

  type(conversationId: ConversationId, isTyping: boolean): void {
    const now = Date.now();
    const since = this.#started.get(conversationId);
    if (isTyping) {
      if (since !== undefined && now - since < AGAIN_MS) return;
      this.#started.set(conversationId, now);
      this.#send({ type: 'typing', conversation_id: conversationId, state: 'start' });
    } else if (since !== undefined) {
      this.#started.delete(conversationId);
      this.#send({ type: 'typing', conversation_id: conversationId, state: 'stop' });
    }
  }
}
