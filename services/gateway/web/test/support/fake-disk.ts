/** What the tabs of one browser have stored: they share it, and take turns. */

import type { OutboxEntry } from '../../src/state/model';
import { memoryStorage } from '../../src/storage/memory';
import { byOrder } from '../../src/storage/order';
import { type Storage, StorageError } from '../../src/storage/storage';

export class FakeDisk {
  readonly entries = new Map<string, OutboxEntry>();
  /** How long a read or write takes, in ms. */
  latency: () => number = () => 1;
  isFull = false;
  #turn: Promise<unknown> = Promise.resolve();

  /** The store as a tab has it. Once the tab is gone its reads and writes neither happen nor end. */
  storage(isGone: () => boolean = () => false): Storage {
    const inTurn = <T>(action: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        this.#turn = this.#turn.then(async () => {
          if (isGone()) return;
          await new Promise(later => setTimeout(later, this.latency()));
          try {
            const result = action();
            if (!isGone()) resolve(result);
          } catch (error) {
            reject(error);
          }
        });
      });
    return {
      ...memoryStorage(),
      isDurable: true,
      outbox: () => inTurn(() => [...this.entries.values()].sort(byOrder)),
      putEntry: (entry, replaces) => inTurn(() => this.#put(entry, replaces)),
      removeEntry: id => inTurn(() => void this.entries.delete(id)),
    };
  }

  #put(entry: OutboxEntry, replaces: string | undefined): boolean {
    if (this.isFull) throw new StorageError('This browser has no space left to keep messages.');
    if (replaces !== undefined && !this.entries.delete(replaces)) return false;
    this.entries.set(entry.id, entry);
    return true;
  }
}
