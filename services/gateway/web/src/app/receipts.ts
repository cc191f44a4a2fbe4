/** The user's own receipts: merged, sent through whatever connection there is, repeated until confirmed. */

import type { ClientFrame, ConversationId, ReceiptFrame, ReceiptState } from '../protocol';

const MERGE_MS = 300;
const REPEAT_MS = 10_000;

/** What has to be said still: by state, then by conversation, up to which seq. */
type Unconfirmed = Record<ReceiptState, Map<ConversationId, number>>;

export class Receipts {
  readonly #send: (frame: ClientFrame) => boolean;
  readonly #unconfirmed: Unconfirmed = { delivered: new Map(), read: new Map() };
  readonly #fresh: Record<ReceiptState, Set<ConversationId>> = { delivered: new Set(), read: new Set() };
  #merging: ReturnType<typeof setTimeout> | undefined;
  #repeating: ReturnType<typeof setInterval> | undefined;

  constructor(send: (frame: ClientFrame) => boolean) {
    this.#send = send;
  }

  start(): void {
    this.#repeating ??= setInterval(() => this.repeat(), REPEAT_MS);
  }

  stop(): void {
    clearInterval(this.#repeating);
    clearTimeout(this.#merging);
    this.#repeating = this.#merging = undefined;
  }

  /** Say that everything up to a seq has arrived, or was read. */
  say(conversationId: ConversationId, state: ReceiptState, upToSeq: number): void {
    const said = this.#unconfirmed[state];
    if ((said.get(conversationId) ?? 0) >= upToSeq) return;
    said.set(conversationId, upToSeq);
    if (state === 'read' && (this.#unconfirmed.delivered.get(conversationId) ?? 0) <= upToSeq) {
      this.#unconfirmed.delivered.delete(conversationId); // read implies delivered
    }
    this.#fresh[state].add(conversationId);
    this.#merging ??= setTimeout(() => this.hurry(), MERGE_MS);
  }

  /** Say now what waits to be merged: the page may be closed in a moment. */
  hurry(): void {
    clearTimeout(this.#merging);
    this.#merging = undefined;
    this.#flush(this.#fresh);
    this.#fresh.delivered.clear();
    this.#fresh.read.clear();
  }

  /** A receipt of the user's own came: it confirms what was said up to there. */
  confirm(frame: ReceiptFrame, lastSeq: number): void {
    for (const state of frame.state === 'read' ? (['delivered', 'read'] as const) : (['delivered'] as const)) {
      const said = this.#unconfirmed[state].get(frame.conversation_id);
      if (said !== undefined && (frame.up_to_seq >= said || frame.up_to_seq >= lastSeq)) {
        this.#unconfirmed[state].delete(frame.conversation_id);
      }
    }
  }

  /** Say everything again that is not confirmed: after a reconnection, and now and then. */
  repeat(): void {
    this.#flush({
      delivered: new Set(this.#unconfirmed.delivered.keys()),
      read: new Set(this.#unconfirmed.read.keys()),
    });
  }

  #flush(which: Record<ReceiptState, ReadonlySet<ConversationId>>): void {
    for (const state of ['delivered', 'read'] as const) {
      for (const conversationId of which[state]) {
        const upToSeq = this.#unconfirmed[state].get(conversationId);
        if (upToSeq === undefined) continue;
        this.#send({ type: 'read_receipt', conversation_id: conversationId, state, up_to_seq: upToSeq });
      }
    }
  }
}
