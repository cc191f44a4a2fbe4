/** What waits in a tab that leads. */

import { effect } from '@preact/signals';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { OutboxChange } from '../src/app/messages';
import { type Draft, Outbox } from '../src/app/outbox';
import { OutboxError } from '../src/app/outbox-limits';
import type { AckFrame, ErrorFrame, Message, MessageFrame, MessageStatusFrame, SendFrame } from '../src/protocol';
import { memoryStorage } from '../src/storage/memory';
import { type Storage, StorageError } from '../src/storage/storage';
import { FakeDisk } from './support/fake-disk';
import { ANN, message, outboxEntry, WITH_BEN } from './support/samples';

const NOW = Date.parse('2026-11-22T10:00:00.000Z');

let disk: FakeDisk;
let sent: SendFrame[];
let stored: Message[];
let told: OutboxChange[];
let canSend: boolean;
let random: number;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  disk = new FakeDisk();
  [sent, stored, told, canSend, random] = [[], [], [], true, 1];
});

afterEach(() => {
  vi.useRealTimers();
});

async function open(storage: Storage = disk.storage()): Promise<Outbox> {
  const host = {
    me: () => ANN,
    send: (frame: SendFrame) => {
      if (canSend) sent.push(frame);
      return canSend;
    },
    onStored: (what: Message) => stored.push(what),
    tell: (change: OutboxChange) => told.push(change),
  };
  return done(Outbox.open(storage, host, () => random));
}

/** An outbox that leads and is connected. */
async function online(storage?: Storage): Promise<Outbox> {
  const outbox = await open(storage);
  outbox.lead();
  outbox.connected(true);
  await pass(0.1);
  return outbox;
}

/** Let the disk's time pass until something is done. */
async function done<T>(promise: Promise<T>): Promise<T> {
  const settled = Promise.allSettled([promise]);
  await vi.advanceTimersByTimeAsync(50);
  await settled;
  return promise;
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);

function draft(content: string, more: Partial<Draft> = {}): Draft {
  return { conversationId: 'c1', to: 'ben', content, replyTo: null, seenSeq: null, ...more };
}

async function write(outbox: Outbox, content: string, more: Partial<Draft> = {}): Promise<string> {
  return (await done(outbox.add(draft(content, more)))).id;
}

const contents = () => sent.map(({ content }) => content);
const waiting = (outbox: Outbox) => outbox.entries.value.map(({ content, state }) => `${content} ${state}`);

function ack(outbox: Outbox, id: string, more: Partial<AckFrame> = {}): Promise<unknown> {
  const place = { message_id: `m-${id}`, conversation_id: 'c1', seq: 7, rev: 9, sent_at: '2026-11-22T10:00:01.000Z' };
  outbox.onFrame({ type: 'ack', re: id, ...place, status: 'sent', duplicate: false, ...more }, true);
  return pass(0.05);
}

function refuse(outbox: Outbox, id: string, code: string, more: Partial<ErrorFrame> = {}): Promise<unknown> {
  outbox.onFrame({ type: 'error', re: id, code, detail: `It is ${code}.`, retryable: false, ...more }, true);
  return pass(0.05);
}

function later(outbox: Outbox, id: string, more: Partial<ErrorFrame> = {}): Promise<unknown> {
  return refuse(outbox, id, 'unavailable', { retryable: true, ...more });
}

function status(outbox: Outbox, what: MessageStatusFrame['status'], more: Partial<MessageStatusFrame> = {}): void {
  const place = { message_id: 'm1', conversation_id: 'c1', at: '2026-11-22T10:00:01.000Z' };
  outbox.onFrame({ type: 'message_status', ...place, status: what, ...more }, true);
}

describe('a message', () => {
  it('is stored, then shown, then sent', async () => {
    const outbox = await online();
    const log: string[] = [];
    disk.latency = () => 20;
    effect(
      () =>
        void (outbox.entries.value.length > 0 && log.push(`shown, ${disk.entries.size} stored, ${sent.length} sent`)),
    );
    const id = await write(outbox, 'hi', { replyTo: 'm3', seenSeq: 4 });

    expect(log).toEqual(['shown, 1 stored, 0 sent']);
    expect(sent).toEqual([{ type: 'message', id, to: 'ben', content: 'hi', reply_to: 'm3', seen_seq: 4 }]);
    expect(told).toEqual([{ put: outbox.entries.value[0] }]);
    expect(outbox.entries.value[0]).toMatchObject({ state: 'queued', createdAt: '2026-11-22T10:00:00.150Z' });
  });

  it('goes to the conversation where it is not for one person', async () => {
    const outbox = await online();
    const id = await write(outbox, 'hi', { to: null });
    expect(sent).toEqual([{ type: 'message', id, conversation_id: 'c1', content: 'hi' }]);
  });

  it('has an id that a server takes', async () => {
    const id = await write(await online(), 'hi');
    expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  });

  it('is gone once it is acknowledged; all are told what it became', async () => {
    const outbox = await online();
    const id = await write(outbox, 'hi', { replyTo: 'm3' });
    await ack(outbox, id);

    expect(stored).toEqual([
      {
        ...{ message_id: `m-${id}`, conversation_id: 'c1', seq: 7, rev: 9, sender: 'ann', content: 'hi', id },
        ...{ content_type: 'text/plain', sent_at: '2026-11-22T10:00:01.000Z', reply_to: 'm3' },
      },
    ]);
    expect(outbox.entries.value).toEqual([]);
    expect(disk.entries.size).toBe(0);
    expect(told.at(-1)).toEqual({ removed: id });
    await ack(outbox, id);
    await pass(60);
    expect([stored.length, sent.length]).toEqual([1, 1]);
  });

  it('is gone once it comes in a replay', async () => {
    const outbox = await online();
    const id = await write(outbox, 'one');
    await write(outbox, 'two');
    outbox.onFrame({ type: 'message', ...message(1, { sender: 'ann', id }) } satisfies MessageFrame, false);
    await pass(0.05);

    expect(waiting(outbox)).toEqual(['two queued']);
    expect(contents()).toEqual(['one', 'two']);
    expect(stored).toEqual([]);
  });

  it('does not come back where it could not be removed at first', async () => {
    const storage = disk.storage();
    const removeEntry = vi.fn(storage.removeEntry).mockRejectedValueOnce(new StorageError('no'));
    const outbox = await online({ ...storage, removeEntry });
    await ack(outbox, await write(outbox, 'hi'));
    expect(disk.entries.size).toBe(1);
    await pass(10);

    expect(disk.entries.size).toBe(0);
    expect([waiting(outbox), contents()]).toEqual([[], ['hi']]);
  });

  it('is not taken where the browser does not store it', async () => {
    const outbox = await online();
    disk.isFull = true;
    await expect(done(outbox.add(draft('secret')))).rejects.toBeInstanceOf(StorageError);

    expect([outbox.entries.value, sent, told]).toEqual([[], [], []]);
    disk.isFull = false;
    await write(outbox, 'next');
    expect(contents()).toEqual(['next']);
  });

  it('is not taken where a thousand wait', async () => {
    for (let i = 1; i <= 999; i += 1) disk.entries.set(`c${i}`, outboxEntry(i));
    const outbox = await open();
    await write(outbox, 'the last');
    const refused = await done(outbox.add(draft('secret')).catch((error: unknown) => error));

    expect(refused).toBeInstanceOf(OutboxError);
    expect(refused).toMatchObject({ code: 'full' });
    expect(String(refused)).not.toContain('secret');
    expect(outbox.entries.value).toHaveLength(1_000);
  });

  it('is not taken where it would end the connection', async () => {
    const outbox = await open();
    await expect(done(outbox.add(draft('ä'.repeat(60_000))))).rejects.toMatchObject({ code: 'too_large' });
    await write(outbox, 'ä'.repeat(59_000));
  });

  it('is not taken in a tab that is closed', async () => {
    const outbox = await online();
    outbox.close();
    await expect(done(outbox.add(draft('hi')))).rejects.toBeInstanceOf(StorageError);
  });

  it('stays in order when the clock goes back, also after another tab’s', async () => {
    const outbox = await open();
    await write(outbox, 'one');
    outbox.applyChange({ put: { ...outboxEntry(1, { content: 'two' }), order: (NOW + 60_000) * 1_000 } });
    vi.setSystemTime(NOW - 3_600_000);
    await Promise.all([write(outbox, 'three'), write(outbox, 'four')]);

    expect(outbox.entries.value.map(({ content }) => content)).toEqual(['one', 'two', 'three', 'four']);
    const orders = outbox.entries.value.map(({ order }) => order);
    expect(orders.every((order, i) => Number.isSafeInteger(order) && order > (orders[i - 1] ?? 0))).toBe(true);
  });
});

describe('several messages', () => {
  it('go out one at a time in a conversation, side by side in several', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await write(outbox, 'two');
    await write(outbox, 'other', { conversationId: 'c2' });
    expect(contents()).toEqual(['one', 'other']);

    await ack(outbox, one);
    expect(contents()).toEqual(['one', 'other', 'two']);
  });

  it('go out in eight conversations at once', async () => {
    const outbox = await online();
    const ids: string[] = [];
    for (let i = 0; i < 10; i += 1) ids.push(await write(outbox, `${i}`, { conversationId: `c${i}` }));
    expect(contents()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);

    await ack(outbox, ids[3] ?? '');
    expect(contents().at(-1)).toBe('8');
  });

  it('wait for the connection, and for this tab to lead', async () => {
    disk.entries.set('c1', outboxEntry(1, { content: 'from the last visit' }));
    const outbox = await open();
    await write(outbox, 'new', { conversationId: WITH_BEN });
    outbox.connected(true);
    await pass(1);
    expect(sent).toEqual([]);
    outbox.lead();
    await pass(0.05);
    expect(contents()).toEqual(['from the last visit']);

    outbox.follow();
    await ack(outbox, 'c1');
    await pass(60);
    expect(contents()).toEqual(['from the last visit']);
    outbox.lead();
    await pass(60);
    expect(contents()).toEqual(['from the last visit']);
    outbox.connected(true);
    expect(contents()).toEqual(['from the last visit', 'new']);
  });

  it('are not sent by a tab that lost the lead before it had read what waits', async () => {
    disk.entries.set('c1', outboxEntry(1));
    const outbox = await open();
    outbox.connected(true);
    disk.latency = () => 100;
    outbox.lead();
    outbox.follow();
    outbox.connected(true);
    await pass(1);
    expect(sent).toEqual([]);
  });

  it('are sent no more once the tab is closed', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await write(outbox, 'two');
    outbox.close();
    await ack(outbox, one);
    await pass(60);
    expect(contents()).toEqual(['one']);
  });
});

describe('no answer', () => {
  it('for 10 s: the same again', async () => {
    const outbox = await online();
    await write(outbox, 'one');
    await write(outbox, 'two');
    await pass(9.8);
    expect(sent).toHaveLength(1);
    await pass(0.2);
    expect(sent).toHaveLength(2);
    expect(sent[1]).toEqual(sent[0]);
    await pass(10);
    expect(contents()).toEqual(['one', 'one', 'one']);
  });

  it('before the connection went: all again, in order, by the same ids', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await write(outbox, 'two');
    await write(outbox, 'other', { conversationId: 'c2' });
    outbox.connected(false);
    await pass(60);
    expect(sent).toHaveLength(2);
    outbox.connected(true);

    expect(contents()).toEqual(['one', 'other', 'one', 'other']);
    expect(sent[2]?.id).toBe(one);
  });

  it('because the connection takes nothing just now: soon again', async () => {
    const outbox = await online();
    canSend = false;
    await write(outbox, 'one');
    canSend = true;
    await pass(1);
    expect(contents()).toEqual(['one']);
  });

  it('before the tab crashed: the next visit sends it again', async () => {
    const outbox = await online();
    const id = await write(outbox, 'one');
    outbox.close();
    await online();

    expect(sent.map(frame => frame.id)).toEqual([id, id]);
  });
});

describe('a refusal for now', () => {
  it('lets the conversation wait as long as the server says, others go on', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await write(outbox, 'two');
    await later(outbox, one, { retry_after_ms: 2_500 });
    await write(outbox, 'other', { conversationId: 'c2' });
    await pass(2.3);
    expect(contents()).toEqual(['one', 'other']);
    await pass(0.2);
    expect(contents()).toEqual(['one', 'other', 'one']);
    await ack(outbox, one);
    expect(contents()).toEqual(['one', 'other', 'one', 'two']);
  });

  it('backs off more and more, up to 30 s, and after a reconnect from the start', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      const tries = sent.length;
      await later(outbox, one);
      await pass(seconds - 0.1);
      expect(sent).toHaveLength(tries);
      await pass(0.1);
      expect(sent).toHaveLength(tries + 1);
    }
    outbox.connected(false);
    outbox.connected(true);
    const tries = sent.length;
    await later(outbox, one);
    await pass(1);
    expect(sent).toHaveLength(tries + 1);
  });

  it('waits a random part of that', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    random = 0.25;
    await later(outbox, one);
    await pass(0.15);
    expect(sent).toHaveLength(1);
    await pass(0.1);
    expect(sent).toHaveLength(2);
  });

  it('is heeded once', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await later(outbox, one, { retry_after_ms: 1_000 });
    await later(outbox, one, { retry_after_ms: 9_000 });
    await pass(1);
    expect(sent).toHaveLength(2);
  });

  it('because of too many: one conversation at a time until it goes again', async () => {
    const outbox = await online();
    const ids: string[] = [];
    for (let i = 0; i < 8; i += 1) ids.push(await write(outbox, `${i}`, { conversationId: `c${i}` }));
    for (const id of ids) {
      outbox.onFrame(
        { type: 'error', re: id, code: 'rate_limited', detail: '', retryable: true, retry_after_ms: 200 },
        true,
      );
    }
    await pass(0.2);
    expect(contents().slice(8)).toEqual(['0']);
    await ack(outbox, ids[0] ?? '');
    expect(contents().slice(8)).toEqual(['0', '1', '2']);
    await ack(outbox, ids[1] ?? '');
    expect(contents().slice(8)).toEqual(['0', '1', '2', '3', '4']);
  });

  it('does not make a message fail because the session ended', async () => {
    const outbox = await online();
    await refuse(outbox, await write(outbox, 'one'), 'unauthenticated');
    expect(waiting(outbox)).toEqual(['one queued']);
  });
});

describe('a refusal for good', () => {
  it('is kept with the message; those after it go on', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await write(outbox, 'two');
    await refuse(outbox, one, 'blocked');

    expect(waiting(outbox)).toEqual(['one failed', 'two queued']);
    expect(outbox.entries.value[0]?.problem).toEqual({ code: 'blocked', detail: 'It is blocked.' });
    expect(disk.entries.get(one)?.state).toBe('failed');
    expect(told.at(-1)).toEqual({ put: outbox.entries.value[0] });
    expect(contents()).toEqual(['one', 'two']);
    await pass(60);
    expect(contents().filter(content => content === 'one')).toHaveLength(1);
  });

  it.each(['blocked', 'too_large', 'not_found'])(
    '(%s) can be tried again, as the same message, at its place',
    async code => {
      const outbox = await online();
      const one = await write(outbox, 'one');
      await refuse(outbox, one, code);
      const two = await write(outbox, 'two');
      await write(outbox, 'three');
      await done(outbox.retry(one));
      expect(waiting(outbox)).toEqual(['one queued', 'two queued', 'three queued']);
      expect(contents()).toEqual(['one', 'two']);
      await ack(outbox, two);

      expect(sent.map(({ id, content }) => [content, id === one])).toEqual([
        ['one', true],
        ['two', false],
        ['one', true],
      ]);
      expect(disk.entries.get(one)).toMatchObject({ state: 'queued', problem: null });
    },
  );

  it('of its id: it is tried again with a new one', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await refuse(outbox, one, 'id_conflict');
    expect(waiting(outbox)).toEqual(['one failed']);
    told.length = 0;
    await done(outbox.retry(one));

    expect(contents()).toEqual(['one', 'one']);
    expect(sent[1]?.id).not.toBe(one);
    expect([...disk.entries.keys()]).toEqual([sent[1]?.id]);
    expect(waiting(outbox)).toEqual(['one queued']);
    expect(told).toEqual([{ removed: one }, { put: outbox.entries.value[0] }]);
  });

  it('does not hold when the message is stored after all', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await refuse(outbox, one, 'blocked');
    await ack(outbox, one);
    expect([outbox.entries.value, disk.entries.size, stored.length]).toEqual([[], 0, 1]);
  });

  it('of several: all are tried again, in order', async () => {
    const outbox = await online();
    const ids = [await write(outbox, 'one'), await write(outbox, 'two')];
    for (const id of ids) await refuse(outbox, id, 'blocked');
    const three = await write(outbox, 'three');
    await done(outbox.retryAll());
    for (const id of [three, ...ids]) await ack(outbox, id);

    expect(contents()).toEqual(['one', 'two', 'three', 'one', 'two']);
    expect(waiting(outbox)).toEqual([]);
  });

  it.each(['blocked', 'id_conflict'])(
    '(%s) of one that another tab gave up meanwhile: nothing is tried',
    async code => {
      const outbox = await online();
      const one = await write(outbox, 'one');
      await refuse(outbox, one, code);
      disk.entries.delete(one);
      await done(outbox.retry(one));

      expect(waiting(outbox)).toEqual([]);
      expect(contents()).toEqual(['one']);
    },
  );

  it('says when a new try can’t be stored, and leaves it as it is', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await refuse(outbox, one, 'blocked');
    disk.isFull = true;
    await expect(done(outbox.retry(one))).rejects.toBeInstanceOf(StorageError);
    expect(waiting(outbox)).toEqual(['one failed']);
  });

  it('is kept in the tab where the browser does not store it', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    disk.isFull = true;
    await refuse(outbox, one, 'blocked');
    expect(waiting(outbox)).toEqual(['one failed']);
  });

  it('of what is not in the outbox is nothing to it', async () => {
    const outbox = await online();
    await write(outbox, 'one');
    await refuse(outbox, 'a-sync', 'not_found');
    outbox.onFrame({ type: 'error', code: 'invalid', detail: '', retryable: false }, true);
    expect(waiting(outbox)).toEqual(['one queued']);
  });
});

describe('a message in the server’s log', () => {
  it('is shown as accepted, and waited for longer', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await write(outbox, 'two');
    status(outbox, 'queued');
    await pass(0.1);
    expect(waiting(outbox)).toEqual(['one accepted', 'two queued']);
    expect(disk.entries.get(one)?.state).toBe('accepted');
    await pass(50);
    expect(sent).toHaveLength(1);
    status(outbox, 'sent');
    expect(waiting(outbox)).toEqual(['one accepted', 'two queued']);
    await ack(outbox, one);
    expect(contents()).toEqual(['one', 'two']);
  });

  it('is sent again after a minute, and after a reconnect', async () => {
    const outbox = await online();
    await write(outbox, 'one');
    status(outbox, 'queued');
    await pass(60);
    expect(contents()).toEqual(['one', 'one']);
    outbox.connected(false);
    outbox.connected(true);
    expect(contents()).toEqual(['one', 'one', 'one']);
  });

  it('makes room for other conversations', async () => {
    const outbox = await online();
    for (let i = 0; i < 9; i += 1) await write(outbox, `${i}`, { conversationId: `c${i}` });
    expect(contents()).not.toContain('8');
    status(outbox, 'queued', { conversation_id: 'c4' });
    expect(contents()).toContain('8');
  });

  it('may be refused later, by the server’s id', async () => {
    const outbox = await online();
    await write(outbox, 'one');
    await write(outbox, 'two');
    status(outbox, 'queued');
    status(outbox, 'failed', { reason: 'blocked' });
    await pass(0.05);

    expect(waiting(outbox)).toEqual(['one failed', 'two queued']);
    expect(outbox.entries.value[0]?.problem?.code).toBe('blocked');
    expect(contents()).toEqual(['one', 'two']);
  });

  it('gets the sentence of the refusal that follows', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    status(outbox, 'queued');
    status(outbox, 'failed', { reason: 'blocked' });
    await refuse(outbox, one, 'blocked');
    expect(outbox.entries.value[0]?.problem).toEqual({ code: 'blocked', detail: 'It is blocked.' });
  });

  it('may be refused later for now: it waits, and goes out again', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    status(outbox, 'queued');
    status(outbox, 'failed', { reason: 'internal' });
    await later(outbox, one);
    expect(waiting(outbox)).toEqual(['one queued']);
    await pass(1);
    expect(contents()).toEqual(['one', 'one']);
  });

  it('is not meant where a delivery failed', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    status(outbox, 'failed', { message_id: 'm0', user: 'ben', up_to_seq: 3, reason: 'no_device' });
    status(outbox, 'retrying', { message_id: 'm0', user: 'ben', up_to_seq: 3 });
    status(outbox, 'queued', { conversation_id: 'c2' });
    expect(waiting(outbox)).toEqual(['one queued']);
    await ack(outbox, one);
  });
});

describe('giving up', () => {
  it('a message that waits: it is not sent', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    const two = await write(outbox, 'two');
    await write(outbox, 'three');
    await done(outbox.discard(two));
    await ack(outbox, one);

    expect(contents()).toEqual(['one', 'three']);
    expect(told).toContainEqual({ removed: two });
    expect(disk.entries.has(two)).toBe(false);
  });

  it('a message on its way: should it arrive, it is shown', async () => {
    const outbox = await online();
    const one = await write(outbox, 'one');
    await write(outbox, 'two');
    await done(outbox.discard(one));
    expect(contents()).toEqual(['one', 'two']);
    await ack(outbox, one);

    expect(stored.map(({ content }) => content)).toEqual(['one']);
    expect(waiting(outbox)).toEqual(['two queued']);
  });

  it('a message that can’t be removed: it stays', async () => {
    const storage = disk.storage();
    const outbox = await online({ ...storage, removeEntry: () => Promise.reject(new StorageError('no')) });
    const one = await write(outbox, 'one');
    await expect(done(outbox.discard(one))).rejects.toBeInstanceOf(StorageError);
    expect(waiting(outbox)).toEqual(['one queued']);
    await done(outbox.discard('unknown'));
  });
});

describe('another tab', () => {
  it('adds a message: the leading one sends it', async () => {
    const outbox = await online();
    outbox.applyChange({ put: outboxEntry(1, { id: 'x', content: 'theirs' }) });
    expect(contents()).toEqual(['theirs']);
    await ack(outbox, 'x');
    expect(stored).toHaveLength(1);
  });

  it('gives a message up: it is not sent, also when word of it comes late', async () => {
    const outbox = await open();
    const entry = outboxEntry(1, { id: 'x' });
    outbox.applyChange({ removed: 'x' });
    outbox.applyChange({ put: entry });
    expect(waiting(outbox)).toEqual([]);
  });

  it('is closed after it stored a message, before it could tell: the message is found', async () => {
    const outbox = await online();
    disk.entries.set('x', outboxEntry(1, { id: 'x', content: 'theirs' }));
    await pass(10);
    expect(contents()).toEqual(['theirs']);
    outbox.close();
    disk.entries.set('y', outboxEntry(2, { id: 'y', content: 'too late' }));
    await pass(30);
    expect(waiting(outbox)).toEqual(['theirs queued']);
  });

  it('took over and handed back: what it did is read', async () => {
    const outbox = await open();
    await write(outbox, 'one');
    await write(outbox, 'two');
    const [one, two] = outbox.entries.value;
    disk.entries.delete(one?.id ?? '');
    disk.entries.set('x', { ...outboxEntry(1, { id: 'x', content: 'three' }), order: (two?.order ?? 0) + 1 });
    await done(outbox.refresh());
    expect(waiting(outbox)).toEqual(['two queued', 'three queued']);
  });

  it('changes what is being read: the change holds', async () => {
    for (const id of ['a', 'b', 'c']) disk.entries.set(id, outboxEntry(1, { id, content: id }));
    const outbox = await open();
    disk.latency = () => 100;
    const read = outbox.refresh();
    await pass(0.01);
    outbox.applyChange({ removed: 'a' });
    outbox.applyChange({ put: outboxEntry(1, { id: 'b', content: 'b', state: 'failed' }) });
    outbox.applyChange({ put: outboxEntry(2, { id: 'd', content: 'd' }) });
    await pass(1);
    await read;
    expect(waiting(outbox)).toEqual(['b failed', 'c queued', 'd queued']);
  });

  it('is heard where storage fails', async () => {
    const storage: Storage = { ...disk.storage(), outbox: () => Promise.reject(new StorageError('no')) };
    const outbox = await online(storage);
    outbox.applyChange({ put: outboxEntry(1, { content: 'theirs' }) });
    expect(contents()).toEqual(['theirs']);
  });
});

describe('without storage', () => {
  it('all works as long as a tab is open', async () => {
    const outbox = await online(memoryStorage());
    const one = await write(outbox, 'one');
    outbox.applyChange({ put: outboxEntry(1, { id: 'x', content: 'theirs', conversationId: 'c2', state: 'failed' }) });
    await done(outbox.retry('x'));
    outbox.follow();
    outbox.lead();
    outbox.connected(true);
    await pass(0.1);

    expect(contents()).toEqual(['one', 'theirs', 'theirs', 'one']);
    await ack(outbox, one);
    await ack(outbox, 'x');
    expect(waiting(outbox)).toEqual([]);
  });
});
