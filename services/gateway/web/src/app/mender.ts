/** Fetches what this tab knows it has missed: holes between live frames, counts that can't be derived. */

import { effect } from '@preact/signals';
import * as api from '../api/endpoints';
import { ApiError } from '../api/request';
import { newId } from './ids';
import type { ClientFrame, ConversationId } from '../protocol';
import type { Store } from './store';

/** A frame that is late may still close the hole by itself. */
const HOLE_MS = 500;
const STALE_MS = 300;
const RETRY_MS = 5_000;
const AT_ONCE = 4;

export class Mender {
  readonly #store: Store;
  readonly #send: (frame: ClientFrame) => boolean;
  readonly #timers = new Map<ConversationId, ReturnType<typeof setTimeout>>();
  readonly #reading = new Set<ConversationId>();
  #sweep: ReturnType<typeof setTimeout> | undefined;
  #end: (() => void) | null = null;

  constructor(store: Store, send: (frame: ClientFrame) => boolean) {
    this.#store = store;
    this.#send = send;
  }

  start(): void {
    this.#end ??= effect(() => {
      const { behind, told, conversations } = this.#store.state.value;
      for (const id of behind) this.#mend(id, told.has(id) ? 0 : HOLE_MS);
      for (const conversation of conversations.values()) if (conversation.isStale) this.#plan(STALE_MS);
    });
  }

  stop(): void {
    this.#end?.();
    this.#end = null;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    clearTimeout(this.#sweep);
    this.#sweep = undefined;
  }

  /** Ask for what changed after the cursor, until nothing is missing; an answer that got lost is asked for again. */
  #mend(id: ConversationId, afterMs: number): void {
    if (this.#timers.has(id)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(id);
      const state = this.#store.peek();
      if (!this.#end || !state.behind.has(id)) return;
      this.#send({ type: 'sync', id: newId(), conversation_id: id, after_rev: state.cursors[id] ?? 0, limit: 200 });
      this.#mend(id, RETRY_MS);
    }, afterMs);
    this.#timers.set(id, timer);
  }

  /** A page came and there is more behind it: go on at once. */
  goOn(id: ConversationId): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.#mend(id, 0);
  }

  #plan(afterMs: number): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      void this.#readStale();
    }, afterMs);
  }

  async #readStale(): Promise<void> {
    const stale = [...this.#store.peek().conversations.values()].filter(
      ({ id, isStale }) => isStale && !this.#reading.has(id),
    );
    await Promise.all(stale.slice(0, AT_ONCE).map(({ id }) => this.#read(id)));
    if (stale.length > AT_ONCE && this.#end) this.#plan(0);
  }

  async #read(id: ConversationId): Promise<void> {
    this.#reading.add(id);
    try {
      this.#store.dispatch({ kind: 'conversation', view: await api.conversation(id) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === 'not_found') this.#store.dispatch({ kind: 'gone', conversationId: id });
      else if (error.isRetryable && this.#end) this.#plan(RETRY_MS);
    } finally {
      this.#reading.delete(id);
    }
  }
}
