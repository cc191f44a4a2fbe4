/** The store of a user in IndexedDB, one database per user. */

import { type DBSchema, deleteDB, type IDBPDatabase, type IDBPObjectStore, openDB } from 'idb';
import type { ClientId, ConversationId, Message } from '../protocol';
import type { OutboxEntry } from '../state/model';
import { memoryStorage } from './memory';
import { byOrder } from './order';
import { areMessages, CACHE_FORMAT, isEntry, isSnapshot } from './shapes';
import { type Snapshot, type Storage, StorageError } from './storage';
import { joined, type Tail, TAILS } from './tails';

export { deviceId, forgetUser, rememberedUser, rememberUser } from './local';

const VERSION = 1;
/** A tab that hangs may keep an older version open, or the whole database from being deleted. */
const PATIENCE_MS = 3_000;

interface Schema extends DBSchema {
  outbox: { key: ClientId; value: OutboxEntry };
  /** One record, under "snapshot". */
  cache: { key: string; value: { format: number; snapshot: Snapshot } };
  tails: { key: ConversationId; value: Tail; indexes: { savedAtMs: number } };
}

type StoreName = 'outbox' | 'cache' | 'tails';
const STORES: StoreName[] = ['outbox', 'cache', 'tails'];

type Database = IDBPDatabase<Schema>;

/**
 * Open what this browser keeps of a user. Never rejects: where the browser keeps nothing (private mode, no space,
 * storage disabled, another tab in the way) the answer is a store that is not durable.
 */
export async function openStorage(userId: string): Promise<Storage> {
  try {
    return await IndexedStorage.open(userId);
  } catch {
    return memoryStorage();
  }
}

/**
 * Delete what this browser keeps of a user, also while other tabs have it open: they are told to let go. Never rejects;
 * what a tab that hangs holds is emptied, and deleted when that tab ends.
 */
export async function wipe(userId: string): Promise<void> {
  try {
    const database = await open(userId, {});
    await write(database, STORES, 'strict', stores => Promise.all(STORES.map(name => stores(name).clear())));
    database.close();
  } catch {
    // nothing is kept, or nothing that this version can read: deleting it is enough
  }
  try {
    await inTime(deleteDB(nameOf(userId)));
  } catch {
    // the browser keeps nothing, or deletes it later
  }
}

class IndexedStorage implements Storage {
  readonly isDurable = true;
  readonly #userId: string;
  #opening: Promise<Database> | null = null;
  #isClosed = false;

  private constructor(userId: string) {
    this.#userId = userId;
  }

  static async open(userId: string): Promise<IndexedStorage> {
    const storage = new IndexedStorage(userId);
    await storage.#opened();
    return storage;
  }

  async outbox(): Promise<OutboxEntry[]> {
    const entries: unknown[] = await this.#run(database => database.getAll('outbox'));
    return entries.filter(isEntry).sort(byOrder);
  }

  async putEntry(entry: OutboxEntry, replaces?: ClientId): Promise<boolean> {
    const put = (): Promise<boolean> => this.#run(database => putInto(database, entry, replaces));
    try {
      return await put();
    } catch (error) {
      if (!isOutOfSpace(error)) throw error;
      await this.dropCache();
      return put();
    }
  }

  async removeEntry(id: ClientId): Promise<void> {
    await this.#run(database => write(database, ['outbox'], 'strict', stores => stores('outbox').delete(id)));
  }

  async snapshot(): Promise<Snapshot | null> {
    const kept = await this.#run(database => database.get('cache', 'snapshot'));
    if (kept === undefined) return null;
    if (kept.format === CACHE_FORMAT && isSnapshot(kept.snapshot)) return kept.snapshot;
    await this.dropCache();
    return null;
  }

  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    const record = { format: CACHE_FORMAT, snapshot };
    await this.#run(database =>
      write(database, ['cache'], 'relaxed', stores => stores('cache').put(record, 'snapshot')),
    );
  }

  async tail(conversationId: ConversationId, limit: number): Promise<Message[]> {
    const kept = await this.#run(database => database.get('tails', conversationId));
    return limit > 0 ? messagesOf(kept).slice(-limit) : [];
  }

  async saveTail(conversationId: ConversationId, messages: readonly Message[]): Promise<void> {
    if (messages.length === 0) return;
    await this.#run(database =>
      write(database, ['tails'], 'relaxed', async stores => {
        const tails = stores('tails');
        const kept = messagesOf(await tails.get(conversationId));
        const savedAtMs = Date.now();
        await tails.put({ conversationId, messages: joined(kept, messages), savedAtMs, format: CACHE_FORMAT });
        const tooMany = (await tails.count()) - TAILS;
        if (tooMany <= 0) return;
        const oldest = await tails.index('savedAtMs').getAllKeys(undefined, tooMany);
        await Promise.all(oldest.map(id => tails.delete(id)));
      }),
    );
  }

  async dropCache(): Promise<void> {
    await this.#run(database =>
      write(database, ['cache', 'tails'], 'relaxed', stores =>
        Promise.all([stores('cache').clear(), stores('tails').clear()]),
      ),
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#letGo();
  }

  /** Do something with the database; one that the browser has closed by itself is opened again, once. */
  async #run<T>(action: (database: Database) => Promise<T>): Promise<T> {
    try {
      return await action(await this.#opened());
    } catch (error) {
      if (!isNamed(error, 'InvalidStateError') || this.#isClosed) throw asStorageError(error);
    }
    this.#letGo();
    try {
      return await action(await this.#opened());
    } catch (error) {
      throw asStorageError(error);
    }
  }

  #opened(): Promise<Database> {
    if (this.#isClosed) throw new StorageError('The storage of this tab was closed. Reload the page.');
    if (this.#opening) return this.#opening;
    const opening = open(this.#userId, { blocking: () => this.close(), terminated: () => this.#letGo() });
    this.#opening = opening;
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = null;
    });
    return opening;
  }

  #letGo(): void {
    const opening = this.#opening;
    this.#opening = null;
    opening?.then(
      database => database.close(),
      () => undefined,
    );
  }
}

async function putInto(database: Database, entry: OutboxEntry, replaces: ClientId | undefined): Promise<boolean> {
  return write(database, ['outbox'], 'strict', async stores => {
    const outbox = stores('outbox');
    if (replaces !== undefined && (await outbox.getKey(replaces)) === undefined) return false;
    const isOther = replaces !== undefined && replaces !== entry.id;
    await Promise.all([...(isOther ? [outbox.delete(replaces)] : []), outbox.put(entry)]);
    return true;
  });
}

type Stores = <N extends StoreName>(name: N) => IDBPObjectStore<Schema, StoreName[], N, 'readwrite'>;

/** Change stores in one transaction. Fulfilled when it is committed. */
async function write<T>(
  database: Database,
  names: StoreName[],
  durability: 'strict' | 'relaxed',
  change: (stores: Stores) => Promise<T>,
): Promise<T> {
  const transaction = database.transaction(names, 'readwrite', { durability });
  const [result] = await Promise.all([change(name => transaction.objectStore(name)), transaction.done]);
  return result;
}

function messagesOf(tail: Tail | undefined): readonly Message[] {
  return tail?.format === CACHE_FORMAT && areMessages(tail.messages) ? tail.messages : [];
}

function nameOf(userId: string): string {
  return `parley-${userId}`;
}

/** Open the database. One of a newer client is used as it is, if it has the stores that this one knows. */
async function open(userId: string, callbacks: { blocking?: () => void; terminated?: () => void }): Promise<Database> {
  const opening = openAny(nameOf(userId), callbacks);
  let database: Database;
  try {
    database = await inTime(opening);
  } catch (error) {
    void opening.then(
      late => late.close(),
      () => undefined,
    );
    throw error;
  }
  if (STORES.every(name => database.objectStoreNames.contains(name))) return database;
  database.close();
  throw new StorageError('What this browser keeps is of another version of Parley.');
}

async function openAny(name: string, callbacks: { blocking?: () => void; terminated?: () => void }): Promise<Database> {
  try {
    return await openDB<Schema>(name, VERSION, { ...callbacks, upgrade: createStores });
  } catch (error) {
    if (!isNamed(error, 'VersionError')) throw error;
    return openDB<Schema>(name, undefined, callbacks);
  }
}

function createStores(database: Database): void {
  database.createObjectStore('outbox', { keyPath: 'id' });
  database.createObjectStore('cache');
  database.createObjectStore('tails', { keyPath: 'conversationId' }).createIndex('savedAtMs', 'savedAtMs');
}

/** What comes too late counts as not coming. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StorageError('The storage of this browser does not answer.')), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The words for people; what the browser said is the cause. No message is in either. */
function asStorageError(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const isFull = isNamed(error, 'QuotaExceededError');
  const detail = isFull ? 'This browser has no space left to keep messages.' : 'This browser refused to store it.';
  return new StorageError(detail, { cause: error });
}

function isOutOfSpace(error: unknown): boolean {
  return error instanceof StorageError && isNamed(error.cause, 'QuotaExceededError');
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
