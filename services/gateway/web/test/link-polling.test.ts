import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectPolling } from '../src/link/polling';
import type { Transport } from '../src/link/transport';
import type { Message, PresenceItem, SyncPage } from '../src/protocol';
import { FakeServer, synced } from './support/fake-server';
import { FakeHost } from './support/fake-socket';
import { endFakeTimers } from './support/timers';

const SYNC = '/api/v1/sync';
const MESSAGE: Message = {
  message_id: 'm8',
  conversation_id: 'c1',
  seq: 8,
  rev: 8,
  sender: 'ben',
  content: 'hi',
  content_type: 'text/plain',
  sent_at: '2026-11-22T10:00:01.200Z',
};
const PAGE: SyncPage = {
  conversation_id: 'c1',
  messages: [MESSAGE],
  members: [{ username: 'ben', delivered_seq: 8, read_seq: 8 }],
  rev: 8,
  complete: true,
};
const TYPING = { conversation_id: 'c1', user: 'ben', state: 'start', ttl_ms: 7_000 } as const;
const THERE: PresenceItem = { user: 'ben', status: 'online' };

let server: FakeServer;
let host: FakeHost;
let transport: Transport;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  host = new FakeHost();
  transport = connectPolling(host, host.onOpen, host.onEnd);
});

afterEach(async () => {
  transport.close();
  await endFakeTimers();
});

/** The polls that wait for an answer. */
function waiting() {
  return server.requests.filter(({ path, isOpen }) => path === SYNC && isOpen);
}

async function open(): Promise<void> {
  await server.last(SYNC).answer(synced());
  await vi.advanceTimersByTimeAsync(200);
}

describe('polling', () => {
  it('asks without waiting first, then waits for what comes', async () => {
    expect(server.last().method).toBe('POST');
    expect(server.last().body).toEqual({ epoch: 'e1', cursors: { c1: 7 }, wait_s: 0, watch: ['ben'] });
    expect(host.opened).toBe(0);
    await server.last().answer(synced());
    expect(host.opened).toBe(1);
    host.cursors = { c1: 8 };
    await vi.advanceTimersByTimeAsync(200);
    expect(server.last().body).toEqual({ epoch: 'e1', cursors: { c1: 8 }, wait_s: 2, watch: ['ben'] });
    await server.last().answer(synced());
    expect(host.opened).toBe(1);
  });

  it('waits longer the longer nothing comes, 25 s at most, and shortly after news', async () => {
    const waits: unknown[] = [];
    const answers = [
      {},
      {},
      {},
      {},
      {},
      {},
      { conversations: [PAGE] },
      {},
      { typing: [TYPING] },
      { presence: [THERE] },
    ];
    for (const answer of answers) {
      await server.last().answer(synced(answer));
      await vi.advanceTimersByTimeAsync(200);
      waits.push((server.last().body as { wait_s: number }).wait_s);
    }
    expect(waits).toEqual([2, 4, 8, 16, 25, 25, 1, 2, 1, 2]);
  });

  it('asks without an epoch, and of nothing, where nothing is known', async () => {
    host.epoch = undefined;
    host.cursors = {};
    await open();
    expect(server.last().body).toEqual({ cursors: {}, wait_s: 2, watch: ['ben'] });
  });

  it('tells an answer as frames: pages, where one stands, who types, who is there', async () => {
    await server.last().answer(synced({ conversations: [PAGE], cursors: { c1: 8 }, more: ['c1'] }));
    expect(host.frames).toEqual([
      { frame: { type: 'sync_page', re: '', ...PAGE }, isLive: false },
      { frame: { type: 'caught_up', replayed: 1, cursors: { c1: 8 }, more: ['c1'] }, isLive: false },
    ]);
    host.frames.length = 0;
    await vi.advanceTimersByTimeAsync(200);
    await server.last().answer(synced({ typing: [TYPING], presence: [THERE] }));
    expect(host.frames).toEqual([
      { frame: { type: 'caught_up', replayed: 0, cursors: {} }, isLive: true },
      { frame: { type: 'typing', ...TYPING }, isLive: true },
      { frame: { type: 'user_status', ...THERE }, isLive: true },
    ]);
  });

  it('tells a page without messages only where something else is new', async () => {
    const still = { ...PAGE, messages: [] };
    for (const page of [still, still, { ...still, members: [] }, { ...still, members: [], rev: 9 }, PAGE, PAGE]) {
      await server.last().answer(synced({ conversations: [page] }));
      await vi.advanceTimersByTimeAsync(200);
    }
    expect(host.got('sync_page')).toHaveLength(5);
  });

  it('tells how somebody is where it is not as before', async () => {
    for (const presence of [THERE, THERE, { ...THERE, status: 'away' }, THERE] as const) {
      await server.last().answer(synced({ presence: [presence] }));
      await vi.advanceTimersByTimeAsync(200);
    }
    expect(host.got('user_status').map(({ status }) => status)).toEqual(['online', 'away', 'online']);
  });

  it('tells another epoch before anything else, as a welcome', async () => {
    await server.last().answer(synced({ epoch: 'e2', conversations: [PAGE] }));
    expect(host.frames.map(({ frame }) => frame.type)).toEqual(['welcome', 'sync_page', 'caught_up']);
    expect(host.got('welcome')[0]).toMatchObject({ epoch: 'e2', user: { username: 'ann' } });
  });

  it('never has two polls at once, whatever happens', async () => {
    await open();
    transport.send({ type: 'user_status', watch: ['eve'] });
    transport.probe();
    transport.send({ type: 'user_status', watch: ['dan'] });
    await vi.advanceTimersByTimeAsync(200);
    expect(waiting()).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(waiting()).toHaveLength(1);
  });

  it('keeps a distance between polls that are answered at once', async () => {
    for (let n = 0; n < 10; n++) {
      await server.last().answer(synced({ more: ['c1'] }));
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(server.count(SYNC)).toBe(6);
  });

  it('is silent once it is closed', async () => {
    await open();
    const poll = server.last();
    transport.close();
    expect(poll.isAborted).toBe(true);
    host.frames.length = 0;
    await vi.advanceTimersByTimeAsync(60_000);
    expect([host.frames, host.endings]).toEqual([[], []]);
    expect(server.count(SYNC)).toBe(2);
    expect(transport.send({ type: 'typing', conversation_id: 'c1', state: 'stop' })).toBe(false);
  });
});

describe('a poll that fails', () => {
  it('ends it for good where the session is over', async () => {
    await server.last().refuse('unauthenticated', 401);
    expect(host.endings).toEqual([{ code: 0, reason: 'It is unauthenticated.', stop: 'signed-out', afterMs: 0 }]);
  });

  it('ends it where nothing answers', async () => {
    await open();
    await server.last().fail();
    expect(host.endings).toMatchObject([{ code: 0, stop: null, afterMs: 0 }]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.count(SYNC)).toBe(2);
  });

  it('ends it where the server can’t, and says how long to stay away', async () => {
    await open();
    await server.last().refuse('unavailable', 503, true, { 'retry-after': '3' });
    expect(host.endings).toEqual([{ code: 0, reason: 'It is unavailable.', stop: null, afterMs: 3_000 }]);
  });

  it('ends it where no answer comes in time', async () => {
    await open();
    await vi.advanceTimersByTimeAsync(16_999); // it asked for a wait of 2 s
    expect(host.endings).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(host.endings).toHaveLength(1);
  });

  it('waits where it asked too often', async () => {
    await open();
    await server.last().refuse('rate_limited', 429, true, { 'retry-after': '7' });
    await vi.advanceTimersByTimeAsync(6_700);
    expect(server.count(SYNC)).toBe(2);
    await vi.advanceTimersByTimeAsync(300);
    expect(server.count(SYNC)).toBe(3);
    expect(host.endings).toEqual([]);
  });

  it('is found within 5 s when asked for a sign of life', async () => {
    await open();
    transport.probe();
    await vi.advanceTimersByTimeAsync(200);
    expect(server.last().body).toMatchObject({ wait_s: 0 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(host.endings).toHaveLength(1);
  });

  it('goes on when the sign of life comes', async () => {
    await open();
    transport.probe();
    await vi.advanceTimersByTimeAsync(200);
    await server.last().answer(synced());
    await vi.advanceTimersByTimeAsync(6_000);
    expect(server.last().body).toMatchObject({ wait_s: 4 });
    expect(host.endings).toEqual([]);
  });
});
