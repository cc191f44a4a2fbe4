/** Storage for one tab, where the browser gives none. */

import type { ClientId, ConversationId, Message } from '../protocol';
import type { OutboxEntry } from '../state/model';
import { byOrder } from './order';
import type { Snapshot, Storage } from './storage';

/** Keeps the outbox as long as the tab is open. It caches nothing: the tab has in its state what a cache would hold. */
export function memoryStorage(): Storage {
  const entries = new Map<ClientId, OutboxEntry>();
  return {
    isDurable: false,
    outbox: async () => [...entries.values()].sort(byOrder),
    putEntry: async (entry, replaces) => {
      if (replaces !== undefined && !entries.delete(replaces)) return false;
      entries.set(entry.id, entry);
      return true;
    },
    removeEntry: async id => void entries.delete(id),
    snapshot: async (): Promise<Snapshot | null> => null,
    saveSnapshot: async () => {},
    tail: async (_conversationId: ConversationId, _limit: number): Promise<Message[]> => [],
    saveTail: async () => {},
    dropCache: async () => {},
    close: () => {},
  };
}
