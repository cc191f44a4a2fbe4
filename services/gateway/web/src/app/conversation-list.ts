/** Reads the list of conversations, a page after the other. */

import { type ReadonlySignal, signal } from '@preact/signals';
import * as api from '../api/endpoints';
import { ApiError } from '../api/request';
import type { ConversationView } from '../protocol';
import type { Client } from './client';
import type { Store } from './store';

const RETRY_MS = 3_000;
/** Pages of 50 of archived conversations. */
const ARCHIVED_PAGES = 20;

export class ConversationList {
  readonly #store: Store;
  readonly #onRead: (views: readonly ConversationView[]) => void;
  readonly #progress = signal({ isReady: false, hasMore: false, isLoading: false });
  #next: string | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** `isKept`: conversations of the last visit are there already. */
  constructor(store: Store, onRead: (views: readonly ConversationView[]) => void, isKept: boolean) {
    this.#store = store;
    this.#onRead = onRead;
    this.#progress.value = { isReady: isKept, hasMore: false, isLoading: false };
  }

  get progress(): Client['list'] {
    return this.#progress as ReadonlySignal<{ isReady: boolean; hasMore: boolean; isLoading: boolean }>;
  }

  /** Read the newest ones, again and again until it succeeds. */
  async read(): Promise<void> {
    this.stop();
    try {
      this.#next = await this.#page(undefined, false);
      this.#progress.value = { isReady: true, hasMore: this.#next !== null, isLoading: false };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.isRetryable) this.#retry = setTimeout(() => void this.read(), error.retryAfterMs || RETRY_MS);
    }
  }

  /** @throws ApiError */
  async more(): Promise<void> {
    if (this.#next === null || this.#progress.peek().isLoading) return;
    this.#progress.value = { ...this.#progress.peek(), isLoading: true };
    try {
      this.#next = await this.#page(this.#next, false);
    } finally {
      this.#progress.value = { isReady: true, hasMore: this.#next !== null, isLoading: false };
    }
  }

  /** @throws ApiError */
  async archived(): Promise<void> {
    let cursor: string | null = null;
    for (let count = 0; count < ARCHIVED_PAGES; count++) {
      cursor = await this.#page(cursor ?? undefined, true);
      if (cursor === null) return;
    }
  }

  stop(): void {
    clearTimeout(this.#retry);
  }

  async #page(cursor: string | undefined, isArchived: boolean): Promise<string | null> {
    const page = await api.conversations(cursor, isArchived);
    this.#store.dispatch({ kind: 'listed', views: page.items, isWhole: false });
    this.#onRead(page.items);
    return page.next;
  }
}
