/** The entries of the outbox as this tab knows them. */

import { type ReadonlySignal, signal } from '@preact/signals';
import type { AckFrame, ClientId, Message, SendFrame, User } from '../protocol';
import type { OutboxEntry } from '../state/model';
import { byOrder } from '../storage/order';

/** Ids of entries that are gone: what another tab says about one of them too late is not heeded. */
const MOST_GONE = 2_000;

export class Entries {
  readonly #all = signal<readonly OutboxEntry[]>([]);
  readonly #gone = new Set<ClientId>();
  /** Changed since storage was last asked for all entries. */
  #touched = new Set<ClientId>();
  #lastOrder = 0;

  /** In order. */
  get all(): ReadonlySignal<readonly OutboxEntry[]> {
    return this.#all;
  }

  find(id: ClientId): OutboxEntry | undefined {
    return this.#all.peek().find(entry => entry.id === id);
  }

  /** Put or replace an entry; false: it is gone for good. */
  show(entry: OutboxEntry): boolean {
    if (this.#gone.has(entry.id)) return false;
    this.#touched.add(entry.id);
    this.#all.value = [...this.#all.peek().filter(({ id }) => id !== entry.id), entry].sort(byOrder);
    return true;
  }

  hide(id: ClientId): void {
    this.#touched.add(id);
    this.#gone.add(id);
    for (const oldest of this.#gone) {
      if (this.#gone.size <= MOST_GONE) break;
      this.#gone.delete(oldest);
    }
    if (this.find(id)) this.#all.value = this.#all.peek().filter(entry => entry.id !== id);
  }

  /** Take over what is stored, but for what changes here while it is read. Answers with what is stored and gone. */
  async read(storage: () => Promise<readonly OutboxEntry[]>): Promise<ClientId[]> {
    const touched = new Set<ClientId>();
    this.#touched = touched;
    const stored = await storage();
    const others = stored.filter(({ id }) => !touched.has(id) && !this.#gone.has(id));
    const own = this.#all.peek().filter(({ id }) => touched.has(id));
    this.#all.value = [...own, ...others].sort(byOrder);
    return stored.map(({ id }) => id).filter(id => this.#gone.has(id));
  }

  /** The order of a new entry: by time, so that tabs agree, and above all that is there, should the clock go back. */
  nextOrder(): number {
    const last = Math.max(this.#lastOrder, this.#all.peek().at(-1)?.order ?? 0);
    this.#lastOrder = Math.max(Date.now() * 1_000, last + 1);
    return this.#lastOrder;
  }
}

/** What is sent for an entry: the same at every try. */
export function frameOf({ id, to, conversationId, content, replyTo, seenSeq }: OutboxEntry): SendFrame {
  return {
    type: 'message',
    id,
    content,
    ...(to === null ? { conversation_id: conversationId } : { to }),
    ...(replyTo === null ? {} : { reply_to: replyTo }),
    ...(seenSeq === null ? {} : { seen_seq: seenSeq }),
  };
}

/** What an entry has become. */
export function messageOf({ id, content, replyTo }: OutboxEntry, ack: AckFrame, me: User): Message {
  return {
    message_id: ack.message_id,
    conversation_id: ack.conversation_id,
    seq: ack.seq,
    rev: ack.rev,
    sender: me.username,
    content,
    content_type: 'text/plain',
    sent_at: ack.sent_at,
    ...(replyTo === null ? {} : { reply_to: replyTo }),
    id,
  };
}
