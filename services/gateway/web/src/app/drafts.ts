/** What is written and not sent: kept in this browser at once, brought to the server when it can be reached. */

import * as api from '../api/endpoints';
import { ApiError } from '../api/request';
import type { ConversationId } from '../protocol';
import type { Event } from '../state/model';
import type { Store } from './store';

export class Drafts {
  readonly #store: Store;
  readonly #tell: (event: Event) => void;
  readonly #bringing = new Set<ConversationId>();

  /** `tell` lets something happen in all tabs. */
  constructor(store: Store, tell: (event: Event) => void) {
    this.#store = store;
    this.#tell = tell;
  }

  save(conversationId: ConversationId, draft: string): void {
    const conversation = this.#store.conversation(conversationId);
    if (!conversation || conversation.draft === draft) return;
    const isKnownThere = conversation.lastSeq === 0 && draft === ''; // with its first message it begins without one
    this.#tell({ kind: 'kept', conversationId, draft, isDraftUnsaved: !isKnownThere });
    void this.#bring(conversationId);
  }

  /** The server can be reached: bring it what it could not take before. */
  bringAll(): void {
    for (const { id, isDraftUnsaved } of this.#store.peek().conversations.values()) {
      if (isDraftUnsaved) void this.#bring(id);
    }
  }

  /** One change after the other, so that the last one stays. */
  async #bring(id: ConversationId): Promise<void> {
    if (this.#bringing.has(id)) return;
    this.#bringing.add(id);
    try {
      while (await this.#bringOnce(id));
    } finally {
      this.#bringing.delete(id);
    }
  }

  /** True: it has changed meanwhile. */
  async #bringOnce(id: ConversationId): Promise<boolean> {
    const conversation = this.#store.conversation(id);
    if (!conversation?.isDraftUnsaved || conversation.lastSeq === 0) return false;
    const { draft } = conversation;
    try {
      await api.keep(id, { draft });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return false;
    }
    if (this.#store.conversation(id)?.draft !== draft) return true;
    this.#tell({ kind: 'kept', conversationId: id, isDraftUnsaved: false });
    return false;
  }
}
