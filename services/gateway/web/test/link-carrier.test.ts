import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ApiError } from '../src/api/request';
import { Carrier } from '../src/link/carrier';
import type { ClientFrame, SendFrame } from '../src/protocol';
import { FakeServer, synced } from './support/fake-server';
import { FakeHost } from './support/fake-socket';
import { endFakeTimers } from './support/timers';

const FRAME: SendFrame = { type: 'message', id: 'x1', conversation_id: 'c1', content: 'hi' };
const SENT = {
  message_id: 'm1',
  conversation_id: 'c1',
  seq: 8,
  rev: 9,
  status: 'sent',
  sent_at: '2026-11-22T10:00:01.200Z',
  duplicate: false,
} as const;
const ACK = { type: 'ack', re: 'x1', ...SENT };
const STATUS = '/api/v1/messages/m1/status';
const QUEUED = { message_id: 'm1', conversation_id: 'c1', status: 'queued' } as const;

const owner = {
  onSignedOut: vi.fn<(error: ApiError) => void>(),
  onUnreached: vi.fn<() => void>(),
  onWatch: vi.fn<() => void>(),
};
let server: FakeServer;
let host: FakeHost;
let life: AbortController;
let carrier: Carrier;

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  server = new FakeServer();
  host = new FakeHost();
  life = new AbortController();
  carrier = new Carrier(host, life.signal, owner);
});

afterEach(async () => {
  life.abort();
  await endFakeTimers();
});

const told = () => host.frames.map(({ frame }) => frame);

describe('a message', () => {
  it('is posted and acked', async () => {
    expect(carrier.carry({ ...FRAME, reply_to: 'm0', seen_seq: 7 })).toBe(true);
    expect(server.last().path).toBe('/api/v1/conversations/c1/messages');
    expect(server.last().body).toEqual({ id: 'x1', content: 'hi', reply_to: 'm0', seen_seq: 7 });
    await server.last().answer(SENT, 201);
    expect(told()).toEqual([ACK]);
  });

  it('goes by name where the conversation does not exist yet', async () => {
    carrier.carry({ type: 'message', id: 'x1', to: 'ben', content: 'hi' });
    expect(server.last().path).toBe('/messages/send/ben/');
    await server.last().answer({ ...SENT, duplicate: true });
    expect(told()).toEqual([{ ...ACK, duplicate: true }]);
  });

  it('that is repeated while it is under way is not sent twice', async () => {
    carrier.carry(FRAME);
    expect(carrier.carry(FRAME)).toBe(true);
    expect(server.requests).toHaveLength(1);
    await server.last().answer(SENT);
    carrier.carry(FRAME);
    expect(server.requests).toHaveLength(2);
  });

  it('that is queued is followed until it is stored', async () => {
    carrier.carry(FRAME);
    await server.last().answer(QUEUED, 202);
    expect(told()).toEqual([{ type: 'message_status', ...QUEUED, at: new Date().toISOString() }]);
    await vi.advanceTimersByTimeAsync(1_000);
    await server.last(STATUS).answer({ ...QUEUED, seq: null, delivered_at: null, read_at: null, reason: null });
    await vi.advanceTimersByTimeAsync(2_000);
    await server.last(STATUS).refuse('unavailable', 503, true);
    await vi.advanceTimersByTimeAsync(4_000);
    const stored = { ...QUEUED, status: 'sent', seq: 8, delivered_at: null, read_at: null, reason: null };
    await server.last(STATUS).answer(stored);
    await server.last('/api/v1/messages/m1').answer({ ...SENT, sender: 'ann', content: 'hi', id: 'x1' });
    expect(told().slice(1)).toEqual([ACK]);
  });

  it('that is refused after it was queued fails', async () => {
    carrier.carry(FRAME);
    await server.last().answer(QUEUED, 202);
    await vi.advanceTimersByTimeAsync(1_000);
    await server.last(STATUS).answer({ ...QUEUED, status: 'failed', seq: null, reason: 'blocked' });
    expect(told().at(-1)).toMatchObject({ type: 'message_status', status: 'failed', reason: 'blocked' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.count(STATUS)).toBe(1);
  });

  it('is not followed for ever', async () => {
    carrier.carry(FRAME);
    await server.last().answer(QUEUED, 202);
    for (let n = 0; n < 7; n++) {
      await vi.advanceTimersByTimeAsync(60_000);
      await server.last(STATUS).answer({ ...QUEUED, seq: null, reason: null });
    }
    expect(vi.getTimerCount()).toBe(0);
    expect(server.count(STATUS)).toBe(7);
  });

  it('that is refused is answered by an error', async () => {
    carrier.carry(FRAME);
    await server.last().refuse('rate_limited', 429, true, { 'retry-after': '2' });
    expect(told()).toEqual([
      {
        type: 'error',
        re: 'x1',
        code: 'rate_limited',
        detail: 'It is rate_limited.',
        retryable: true,
        retry_after_ms: 2_000,
      },
    ]);
  });

  it('that nobody answers may be sent again, and the connection is looked at', async () => {
    carrier.carry(FRAME);
    await server.last().fail();
    expect(told()).toMatchObject([{ type: 'error', re: 'x1', code: 'unavailable', retryable: true }]);
    expect(owner.onUnreached).toHaveBeenCalledOnce();
  });

  it('without a session ends it all', async () => {
    carrier.carry(FRAME);
    await server.last().refuse('unauthenticated', 401);
    expect(owner.onSignedOut).toHaveBeenCalledOnce();
    expect(told()).toEqual([]);
  });

  it('is not taken where sixteen requests are under way', async () => {
    for (let n = 0; n < 16; n++) expect(carrier.carry({ ...FRAME, id: `x${n}` })).toBe(true);
    expect(carrier.carry({ ...FRAME, id: 'one more' })).toBe(false);
    await server.requests[0]?.answer({ ...SENT });
    expect(carrier.carry({ ...FRAME, id: 'one more' })).toBe(true);
  });

  it('is answered no more once it is over', async () => {
    carrier.carry(FRAME);
    life.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect(server.last().isAborted).toBe(true);
    expect(told()).toEqual([]);
    expect(owner.onUnreached).not.toHaveBeenCalled();
  });
});

describe('other frames', () => {
  it.each([
    ['delivered', { delivered_seq: 5 }, 6],
    ['read', { read_seq: 5 }, 4],
  ] as const)('%s moves the cursor, and tells where it is now', async (state, body, now) => {
    carrier.carry({ type: 'read_receipt', conversation_id: 'c1', state, up_to_seq: 5 });
    expect([server.last().method, server.last().path]).toEqual(['PUT', '/api/v1/conversations/c1/cursor']);
    expect(server.last().body).toEqual(body);
    await server.last().answer({ conversation_id: 'c1', delivered_seq: 6, read_seq: 4 });
    const at = new Date().toISOString();
    const receipt = { type: 'read_receipt', conversation_id: 'c1', user: 'ann', state, up_to_seq: now, at };
    expect(told()).toEqual([receipt]);
  });

  it('typing is posted, and its refusal ignored', async () => {
    carrier.carry({ type: 'typing', conversation_id: 'c1', state: 'start' });
    expect([server.last().path, server.last().body]).toEqual(['/api/v1/conversations/c1/typing', { state: 'start' }]);
    await server.last().refuse('not_found', 404);
    carrier.carry({ type: 'typing', to: 'ben', state: 'start' });
    expect(server.requests).toHaveLength(1);
    expect(told()).toEqual([]);
  });

  it('a status is put, and a watch goes with the next poll', async () => {
    carrier.carry({ type: 'user_status', status: 'away', unwatch: ['ben'] });
    expect([server.last().method, server.last().path]).toEqual(['PUT', '/api/v1/me/presence']);
    expect(server.last().body).toEqual({ status: 'away' });
    expect(owner.onWatch).toHaveBeenCalledOnce();
    await server.last().answer({ status: 'away' });
    carrier.carry({ type: 'user_status', status: 'online' });
    expect(owner.onWatch).toHaveBeenCalledOnce();
    carrier.carry({ type: 'user_status', watch: ['eve'] });
    expect(server.requests).toHaveLength(2);
  });

  it('a sync asks from its rev on, and is answered by a page', async () => {
    const page = { conversation_id: 'c1', messages: [], members: [], rev: 9, complete: true };
    carrier.carry({ type: 'sync', id: 's1', conversation_id: 'c1', after_rev: 3, limit: 200 });
    expect(server.last().body).toEqual({ epoch: 'e1', cursors: { c1: 3 }, wait_s: 0, watch: [] });
    await server.last().answer(synced({ conversations: [{ ...page, conversation_id: 'c0' }, page] }));
    expect(told()).toEqual([{ type: 'sync_page', re: 's1', ...page }]);
  });

  it('a sync of a conversation that is not there is refused', async () => {
    carrier.carry({ type: 'sync', id: 's1', conversation_id: 'c1', after_rev: 3 });
    await server.last().answer(synced());
    expect(told()).toMatchObject([{ type: 'error', re: 's1', code: 'not_found', retryable: false }]);
  });

  it('what a poll says anyway is taken, and nothing is asked', () => {
    const frames: ClientFrame[] = [{ type: 'ping', n: 1 }, { type: 'pong', n: 1 }, host.hello()];
    for (const frame of frames) expect(carrier.carry(frame)).toBe(true);
    expect(server.requests).toEqual([]);
  });
});
