/** What a browser keeps of a user in IndexedDB. */

import * as fake from 'fake-indexeddb';
import { openDB } from 'idb';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Message } from '../src/protocol';
import type { OutboxEntry } from '../src/state/model';
import { openStorage, wipe } from '../src/storage/database';
import { type Snapshot, type Storage, StorageError } from '../src/storage/storage';
import { ANN, conversation, message, outboxEntry } from './support/samples';

const USER = ANN.id;
const opened: Storage[] = [];

for (const [name, value] of Object.entries(fake)) if (name.startsWith('IDB')) Reflect.set(globalThis, name, value);

beforeEach(() => {
  vi.stubGlobal('indexedDB', new fake.IDBFactory());
});

afterEach(() => {
  for (const storage of opened.splice(0)) storage.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function open(userId = USER): Promise<Storage> {
  const storage = await openStorage(userId);
  opened.push(storage);
  return storage;
}

function entry(id: string, order: number): OutboxEntry {
  return outboxEntry(order, { id, content: `text of ${id}` });
}

function messages(first: number, last: number): Message[] {
  return Array.from({ length: last - first + 1 }, (_, i) => message(first + i));
}

function snapshot(): Snapshot {
  const conversations = [conversation('ben')];
  return { profile: ANN, epoch: 'e1', cursors: { c1: 7 }, conversations, savedAt: '2026-11-22T10:00:00.000Z' };
}

async function seqs(storage: Storage, conversationId: string, limit = 1_000): Promise<number[]> {
  return (await storage.tail(conversationId, limit)).map(({ seq }) => seq);
}

/** Change the raw records, as another version of the client would. */
async function tamper(store: string, value: unknown, key?: string): Promise<void> {
  const database = await openDB(`parley-${USER}`);
  await database.put(store, value, key);
  database.close();
}

describe('the outbox', () => {
  it('is there at the next visit, in order', async () => {
    const storage = await open();
    await storage.putEntry(entry('b', 2));
    await storage.putEntry(entry('c', 2));
    await storage.putEntry(entry('a', 3));
    await storage.putEntry(entry('d', 1));
    await storage.removeEntry('d');
    storage.close();

    expect((await (await open()).outbox()).map(({ id }) => id)).toEqual(['b', 'c', 'a']);
  });

  it('is written so that it survives a crash, the cache so that it is fast', async () => {
    const storage = await open();
    const transaction = vi.spyOn(IDBDatabase.prototype, 'transaction');
    await storage.putEntry(entry('a', 1));
    await storage.removeEntry('a');
    await storage.saveSnapshot(snapshot());
    await storage.saveTail('c1', messages(1, 2));

    const durabilities = transaction.mock.calls.map(([, , options]) => options?.durability);
    expect(durabilities).toEqual(['strict', 'strict', 'relaxed', 'relaxed']);
  });

  it('puts an entry in the place of another, unless that one is gone', async () => {
    const storage = await open();
    await storage.putEntry(entry('a', 1));

    expect(await storage.putEntry(entry('a-r2', 1), 'a')).toBe(true);
    expect(await storage.putEntry({ ...entry('a', 1), state: 'failed' }, 'a')).toBe(false);
    expect((await storage.outbox()).map(({ id }) => id)).toEqual(['a-r2']);
  });

  it('passes over a record that is no entry, and keeps it', async () => {
    const storage = await open();
    await storage.putEntry(entry('a', 1));
    await tamper('outbox', { id: 'damaged', order: 'soon' });

    expect((await storage.outbox()).map(({ id }) => id)).toEqual(['a']);
    const database = await openDB(`parley-${USER}`);
    expect(await database.count('outbox')).toBe(2);
    database.close();
  });

  it('gets the room that the cache had when there is no more', async () => {
    const storage = await open();
    await storage.saveTail('c1', messages(1, 3));
    const put = IDBObjectStore.prototype.put;
    let isFull = true;
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
      if (isFull && this.name === 'outbox') {
        isFull = false;
        throw new DOMException('full', 'QuotaExceededError');
      }
      return put.apply(this, args);
    });

    await storage.putEntry(entry('a', 1));

    expect((await storage.outbox()).map(({ id }) => id)).toEqual(['a']);
    expect(await storage.tail('c1', 10)).toEqual([]);
  });

  it('says that there is no room, and nothing of what was written', async () => {
    const storage = await open();
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });

    const refusal = await storage.putEntry(entry('a', 1)).catch((error: unknown) => error);

    expect(refusal).toBeInstanceOf(StorageError);
    expect(String(refusal)).toContain('no space');
    expect(String(refusal)).not.toContain('text of');
    expect(await storage.outbox()).toEqual([]);
  });
});

describe('the cache', () => {
  it('gives back what was saved', async () => {
    const storage = await open();
    expect(await storage.snapshot()).toBeNull();
    await storage.saveSnapshot(snapshot());
    await storage.saveTail('c1', messages(4, 9));
    storage.close();

    const again = await open();
    expect(await again.snapshot()).toEqual(snapshot());
    expect(await seqs(again, 'c1', 3)).toEqual([7, 8, 9]);
    expect(await seqs(again, 'c1', 0)).toEqual([]);
    expect(await seqs(again, 'c2')).toEqual([]);
  });

  it('adds to a tail what continues it, with the last change of each message', async () => {
    const storage = await open();
    await storage.saveTail('c1', messages(1, 5));
    await storage.saveTail('c1', [message(4), message(5, { content: 'edited', rev: 9 }), message(6)]);
    await storage.saveTail('c1', [message(5)]);

    expect(await seqs(storage, 'c1')).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await storage.tail('c1', 2))[0]?.content).toBe('edited');
  });

  it('forgets what lies before a gap', async () => {
    const storage = await open();
    await storage.saveTail('c1', messages(1, 5));
    await storage.saveTail('c1', [...messages(8, 9), ...messages(11, 13)]);

    expect(await seqs(storage, 'c1')).toEqual([11, 12, 13]);
  });

  it('keeps 200 messages of 50 conversations, the newest', async () => {
    const storage = await open();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(0);
    await storage.saveTail('c0', messages(1, 150));
    await storage.saveTail('c0', messages(151, 250));
    for (let i = 1; i <= 51; i += 1) {
      clock.mockReturnValue(i);
      if (i === 50) await storage.saveTail('c0', messages(250, 251));
      await storage.saveTail(`c${i}`, messages(1, 1));
    }

    expect(await seqs(storage, 'c0')).toEqual(messages(52, 251).map(({ seq }) => seq));
    expect(await Promise.all(['c1', 'c2', 'c3', 'c51'].map(id => seqs(storage, id)))).toEqual([[], [], [1], [1]]);
  });

  it.each([
    ['of another version', { format: 99, snapshot: snapshot() }],
    ['without its parts', { format: 1, snapshot: { epoch: 'e1' } }],
    ['with other parts', { format: 1, snapshot: { ...snapshot(), conversations: [{ id: 'c1' }] } }],
    ['that is none', 'nonsense'],
  ])('is dropped when it holds a record %s; the outbox stays', async (_what, record) => {
    const storage = await open();
    await storage.putEntry(entry('a', 1));
    await storage.saveTail('c1', messages(1, 2));
    await tamper('cache', record, 'snapshot');

    expect(await storage.snapshot()).toBeNull();
    expect(await seqs(storage, 'c1')).toEqual([]);
    expect((await storage.outbox()).map(({ id }) => id)).toEqual(['a']);
  });

  it('has no tail where the record is damaged', async () => {
    const storage = await open();
    await tamper('tails', { conversationId: 'c1', messages: [{ seq: 1 }], savedAtMs: 1, format: 1 });
    expect(await seqs(storage, 'c1')).toEqual([]);
    await storage.saveTail('c1', messages(1, 2));
    expect(await seqs(storage, 'c1')).toEqual([1, 2]);
  });

  it('can be dropped', async () => {
    const storage = await open();
    await storage.putEntry(entry('a', 1));
    await storage.saveSnapshot(snapshot());
    await storage.saveTail('c1', messages(1, 2));
    await storage.dropCache();

    expect(await storage.snapshot()).toBeNull();
    expect(await seqs(storage, 'c1')).toEqual([]);
    expect(await storage.outbox()).toHaveLength(1);
  });
});

describe('several tabs and users', () => {
  it('keeps users apart', async () => {
    await (await open()).putEntry(entry('a', 1));
    expect(await (await open('u2')).outbox()).toEqual([]);
  });

  it('lets another tab upgrade', async () => {
    const storage = await open();
    const newer = await openDB(`parley-${USER}`, 2, { upgrade: database => void database.createObjectStore('new') });

    await expect(storage.putEntry(entry('a', 1))).rejects.toThrow('Reload the page');
    newer.close();
  });

  it('reads what a newer client keeps, if it is there', async () => {
    const storage = await open();
    await storage.putEntry(entry('a', 1));
    const newer = await openDB(`parley-${USER}`, 2, { upgrade: database => void database.createObjectStore('new') });
    newer.close();

    const older = await open();
    expect(older.isDurable).toBe(true);
    expect(await older.outbox()).toHaveLength(1);
  });

  it('does without where a newer client keeps it otherwise', async () => {
    (await open()).close();
    const newer = await openDB(`parley-${USER}`, 2, { upgrade: database => database.deleteObjectStore('outbox') });
    newer.close();

    expect((await open()).isDurable).toBe(false);
  });

  it('wipes a user, also while another tab is open', async () => {
    const storage = await open();
    await storage.putEntry(entry('a', 1));
    await storage.saveSnapshot(snapshot());
    await (await open('u2')).putEntry(entry('b', 1));

    await wipe(USER);

    expect((await indexedDB.databases()).map(({ name }) => name)).toEqual(['parley-u2']);
    await expect(storage.saveSnapshot(snapshot())).rejects.toBeInstanceOf(StorageError);
    expect((await indexedDB.databases()).map(({ name }) => name)).toEqual(['parley-u2']);
  });

  it('empties what a tab that hangs keeps open', async () => {
    await (await open()).putEntry(entry('a', 1));
    opened.pop()?.close();
    const hanging = await openDB(`parley-${USER}`);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const wiped = wipe(USER);

    await expect.poll(() => hanging.count('outbox')).toBe(0);
    await vi.advanceTimersByTimeAsync(3_000);
    await wiped;
    hanging.close();
  });
});

describe('a browser that keeps nothing', () => {
  it.each([
    ['has no IndexedDB', undefined],
    [
      'refuses',
      {
        open: () => {
          throw new DOMException('private', 'SecurityError');
        },
      },
    ],
  ])('%s: the outbox lives as long as the tab', async (_what, factory) => {
    vi.stubGlobal('indexedDB', factory);
    const storage = await open();

    expect(storage.isDurable).toBe(false);
    await storage.putEntry(entry('b', 2));
    await storage.putEntry(entry('a', 1));
    await storage.saveSnapshot(snapshot());
    expect(await storage.putEntry(entry('a-r2', 1), 'a')).toBe(true);
    expect(await storage.putEntry(entry('a', 1), 'a')).toBe(false);
    expect((await storage.outbox()).map(({ id }) => id)).toEqual(['a-r2', 'b']);
    await storage.removeEntry('b');
    expect(await storage.outbox()).toHaveLength(1);
    expect(await storage.snapshot()).toBeNull();
    await wipe(USER);
  });

  it('opens the database again after the browser has closed it', async () => {
    const storage = await open();
    await storage.putEntry(entry('a', 1));
    const transaction = IDBDatabase.prototype.transaction;
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementationOnce(function (this: IDBDatabase, ...args) {
      this.close();
      return transaction.apply(this, args);
    });

    await storage.putEntry(entry('b', 2));
    expect((await storage.outbox()).map(({ id }) => id)).toEqual(['a', 'b']);
  });
});
