/** What is kept in this browser, per user, between two visits. */

import type { ClientId, ConversationId, Message, Profile, Time } from '../protocol';
import type { Conversation, OutboxEntry } from '../state/model';

/** Enough to paint the client before, or without, the network. */
export interface Snapshot {
  readonly profile: Profile;
  readonly epoch: string;
  readonly cursors: Readonly<Record<ConversationId, number>>;
  readonly conversations: readonly Conversation[];
  readonly savedAt: Time;
}

/** The store of one user. Every promise rejects with `StorageError` where the browser gives no room. */
export interface Storage {
  /** False: it forgets all when the tab closes, and other tabs don't see it. People should be told. */
  readonly isDurable: boolean;

  /** All entries of the outbox in their order. */
  outbox(): Promise<OutboxEntry[]>;
  /**
   * Keep an entry; when the promise is fulfilled it survives a crash (`durability: strict`). With `replaces` it takes
   * the place of that entry; false: that one is gone, and nothing was stored.
   */
  putEntry(entry: OutboxEntry, replaces?: ClientId): Promise<boolean>;
  removeEntry(id: ClientId): Promise<void>;

  snapshot(): Promise<Snapshot | null>;
  saveSnapshot(snapshot: Snapshot): Promise<void>;
  /** The newest cached messages of a conversation, ascending by seq, without a gap, at most `limit`. */
  tail(conversationId: ConversationId, limit: number): Promise<Message[]>;
  /** Keep messages of a run's end; at most 200 per conversation and 50 conversations stay, the oldest go. */
  saveTail(conversationId: ConversationId, messages: readonly Message[]): Promise<void>;

  /** Drop the cache, keep the outbox (another epoch). */
  dropCache(): Promise<void>;
  close(): void;
}

/** The browser refused to store: private mode, no space, storage disabled. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
}
