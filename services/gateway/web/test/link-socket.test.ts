import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SocketTransport } from '../src/link/socket';
import type { Transport } from '../src/link/transport';
import type { GoodbyeFrame, MessageFrame } from '../src/protocol';
import { FakeHost, FakeNetwork, type FakeSocket } from './support/fake-socket';
import { endFakeTimers } from './support/timers';

const MESSAGE: MessageFrame = {
  type: 'message',
  message_id: 'm1',
  conversation_id: 'c1',
  seq: 1,
  rev: 1,
  sender: 'ben',
  content: 'hi',
  content_type: 'text/plain',
  sent_at: '2026-11-22T10:00:01.200Z',
};

let network: FakeNetwork;
let host: FakeHost;
let transport: Transport;
let socket: FakeSocket;

function connect(): void {
  transport = network.connect(host, host.onOpen, host.onEnd);
  socket = network.last;
}

function goodbye(change: Partial<GoodbyeFrame> = {}): GoodbyeFrame {
  return { type: 'goodbye', code: 'going_away', reason: 'Bye.', reconnect: true, after_ms: 0, ...change };
}

beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
  host = new FakeHost();
  connect();
});

afterEach(async () => {
  transport.close();
  await endFakeTimers();
});

describe('connecting', () => {
  it('goes to the same origin, with the subprotocol', () => {
    expect(socket.url).toBe(`ws://${location.host}/ws`);
    expect(socket.subprotocol).toBe('parley.v1.json');
    vi.stubGlobal('location', { protocol: 'https:', host: 'chat.example' });
    transport.close();
    connect();
    expect(socket.url).toBe('wss://chat.example/ws');
  });

  it('says hello at once, with the cursors of that moment', () => {
    host.cursors = { c1: 9 };
    socket.accept();
    expect(socket.sent).toEqual([{ type: 'hello', v: 1, device_id: 'd1', epoch: 'e1', cursors: { c1: 9 } }]);
  });

  it('is open at the first caught_up, not before', () => {
    socket.accept();
    socket.welcome();
    socket.say(MESSAGE);
    expect(host.opened).toBe(0);
    expect(transport.send({ type: 'typing', conversation_id: 'c1', state: 'start' })).toBe(false);
    socket.catchUp();
    expect(host.opened).toBe(1);
    expect(host.frames.map(({ frame }) => frame.type)).toEqual(['welcome', 'message', 'caught_up']);
    expect(transport.send({ type: 'typing', conversation_id: 'c1', state: 'start' })).toBe(true);
    expect(socket.sent.at(-1)).toEqual({ type: 'typing', conversation_id: 'c1', state: 'start' });
  });

  it('gives up after 10 s, with or without a handshake', () => {
    vi.advanceTimersByTime(9_999);
    expect(host.endings).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(host.endings).toEqual([{ code: 0, reason: '', stop: null, afterMs: 0 }]);
    expect(socket.isClosing).toBe(true);
    connect();
    socket.accept();
    vi.advanceTimersByTime(10_000);
    expect(host.endings).toHaveLength(2);
  });

  it('waits for a long replay', () => {
    socket.accept();
    socket.welcome();
    for (let n = 0; n < 20; n++) {
      vi.advanceTimersByTime(5_000);
      socket.say(MESSAGE);
    }
    expect(host.endings).toEqual([]);
  });

  it('ends, later, where the browser refuses to make a socket', () => {
    network.isForbidden = true;
    transport.close();
    transport = network.connect(host, host.onOpen, host.onEnd);
    expect(host.endings).toEqual([]);
    vi.advanceTimersByTime(0);
    expect(host.endings).toEqual([{ code: 0, reason: '', stop: null, afterMs: 0 }]);
  });
});

describe('frames', () => {
  beforeEach(() => socket.open());

  it('are live after caught_up', () => {
    socket.say(MESSAGE);
    expect(host.frames.map(({ isLive }) => isLive)).toEqual([false, false, true]);
  });

  it('that are no frames are counted and ignored', () => {
    for (const data of ['{', '[]', 'null', '1', '{"type":1}', '{}', new ArrayBuffer(4)]) socket.sayRaw(data);
    expect((transport as SocketTransport).malformed).toBe(7);
    socket.say(MESSAGE);
    expect(host.got('message')).toHaveLength(1);
    expect(host.endings).toEqual([]);
  });

  it('are not sent where 1 MiB waits already', () => {
    const frame = { type: 'typing', conversation_id: 'c1', state: 'stop' } as const;
    socket.bufferedAmount = 1024 * 1024 + 1;
    const before = socket.sent.length;
    expect(transport.send(frame)).toBe(false);
    expect(socket.sent).toHaveLength(before);
    socket.bufferedAmount = 0;
    expect(transport.send(frame)).toBe(true);
  });

  it('are not sent by a socket that closes', () => {
    socket.readyState = 2;
    expect(transport.send({ type: 'typing', conversation_id: 'c1', state: 'stop' })).toBe(false);
  });
});

describe('beginning again on the same socket', () => {
  beforeEach(() => socket.open());

  it('says hello at a resync of everything, and is not live until the next caught_up', () => {
    host.cursors = { c1: 12 };
    socket.say({ type: 'resync', reason: 'broker_reconnect' });
    expect(socket.sentOf('hello').map(({ cursors }) => cursors)).toEqual([{ c1: 7 }, { c1: 12 }]);
    host.frames.length = 0;
    socket.say(MESSAGE);
    socket.welcome();
    socket.say(MESSAGE);
    socket.catchUp();
    socket.say(MESSAGE);
    expect(host.frames.map(({ isLive }) => isLive)).toEqual([false, false, false, false, true]);
    expect(host.opened).toBe(1);
  });

  it('leaves a resync of one conversation to the owner', () => {
    socket.say({ type: 'resync', reason: 'gap', conversation_id: 'c1' });
    expect(socket.sentOf('hello')).toHaveLength(1);
    expect(host.got('resync')).toHaveLength(1);
    socket.say(MESSAGE);
    expect(host.frames.at(-1)?.isLive).toBe(true);
  });

  it('is not live after a second welcome either', () => {
    socket.welcome();
    socket.say(MESSAGE);
    expect(host.frames.at(-1)?.isLive).toBe(false);
  });
});

describe('signs of life', () => {
  beforeEach(() => socket.open());

  it('answers a ping with its number', () => {
    socket.say({ type: 'ping', n: 42 });
    expect(socket.sent.at(-1)).toEqual({ type: 'pong', n: 42 });
    expect(host.got('ping')).toEqual([]);
  });

  it('asks after one and a half heartbeats of silence, and ends a dead link 5 s later without waiting for a close', () => {
    vi.advanceTimersByTime(29_999);
    expect(socket.sentOf('ping')).toHaveLength(0);
    vi.advanceTimersByTime(1);
    expect(socket.sentOf('ping')).toHaveLength(1);
    vi.advanceTimersByTime(4_999);
    expect(host.endings).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(host.endings).toEqual([{ code: 0, reason: '', stop: null, afterMs: 0 }]);
    expect(socket.isClosing).toBe(true);
  });

  it('takes any frame for life', () => {
    for (let n = 0; n < 10; n++) {
      vi.advanceTimersByTime(20_000);
      socket.say({ type: 'ping', n });
    }
    expect(socket.sentOf('ping')).toHaveLength(0);
    vi.advanceTimersByTime(30_000);
    expect(socket.sentOf('ping')).toHaveLength(1);
    vi.advanceTimersByTime(4_000);
    socket.sayRaw('what?');
    vi.advanceTimersByTime(29_999);
    expect(host.endings).toEqual([]);
    expect(socket.sentOf('ping')).toHaveLength(1);
  });

  it('asks after 3 s without an answer to what is answered', () => {
    transport.send({ type: 'message', id: 'one', to: 'ben', content: 'hi' });
    vi.advanceTimersByTime(2_000);
    transport.send({ type: 'message', id: 'two', to: 'ben', content: 'hi' });
    vi.advanceTimersByTime(999);
    expect(socket.sentOf('ping')).toHaveLength(0);
    vi.advanceTimersByTime(1);
    expect(socket.sentOf('ping')).toHaveLength(1);
    vi.advanceTimersByTime(5_000);
    expect(host.endings).toHaveLength(1);
  });

  it('takes any frame for the answer, and waits for none to a receipt', () => {
    transport.send({ type: 'message', id: 'one', to: 'ben', content: 'hi' });
    socket.say(MESSAGE);
    transport.send({ type: 'read_receipt', conversation_id: 'c1', state: 'read', up_to_seq: 1 });
    vi.advanceTimersByTime(29_999);
    expect(socket.sentOf('ping')).toHaveLength(0);
    vi.advanceTimersByTime(1);
    expect(socket.sentOf('ping')).toHaveLength(1);
  });

  it('asks at once when told to, and only once at a time', () => {
    transport.probe();
    transport.probe();
    expect(socket.sentOf('ping')).toHaveLength(1);
    socket.say({ type: 'pong', n: 0 });
    transport.probe();
    expect(socket.sentOf('ping').map(({ n }) => n)).toEqual([0, 1]);
    vi.advanceTimersByTime(5_000);
    expect(host.endings).toHaveLength(1);
  });

  it('asks once more where the page was frozen over the answer', () => {
    transport.probe();
    vi.setSystemTime(Date.now() + 60_000);
    vi.advanceTimersByTime(5_000);
    expect(host.endings).toEqual([]);
    expect(socket.sentOf('ping')).toHaveLength(2);
    vi.setSystemTime(Date.now() + 60_000);
    vi.advanceTimersByTime(5_000);
    expect(host.endings).toHaveLength(1);
  });

  it('is not asked for before the welcome: connecting has its own limit', () => {
    transport.close();
    connect();
    socket.accept();
    transport.probe();
    expect(socket.sentOf('ping')).toHaveLength(0);
  });

  it('watches with a heartbeat of its own where the server names none', () => {
    transport.close();
    connect();
    socket.accept();
    socket.sayRaw('{"type":"welcome"}');
    vi.advanceTimersByTime(30_000);
    expect(socket.sentOf('ping')).toHaveLength(1);
  });
});

describe('the end', () => {
  it.each([
    [4401, 'signed-out'],
    [4403, 'signed-out'],
    [4409, 'taken-over'],
    [4400, 'refused'],
    [4413, 'refused'],
    [1009, 'refused'],
    [4426, 'outdated'],
    [1001, null],
    [1006, null],
    [1011, null],
    [4000, null],
    [4408, null],
    [4410, null],
    [4429, null],
    [4999, null],
  ])('by %i means %s', (code, stop) => {
    socket.open();
    socket.drop(code, 'why');
    expect(host.endings).toEqual([{ code, reason: 'why', stop, afterMs: 0 }]);
  });

  it('remembers the goodbye: its reason, and how long to stay away', () => {
    socket.open();
    socket.say(goodbye({ after_ms: 1_234 }));
    socket.drop(1001);
    expect(host.endings).toEqual([{ code: 1001, reason: 'Bye.', stop: null, afterMs: 1_234 }]);
  });

  it.each([
    ['unauthenticated', 'signed-out'],
    ['device_taken', 'taken-over'],
    ['unsupported', 'outdated'],
    ['another', 'refused'],
  ])('keeps to the goodbye %s where the close frame is lost', (code, stop) => {
    socket.open();
    socket.say(goodbye({ code, reconnect: false }));
    socket.drop(1006);
    expect(host.endings[0]?.stop).toBe(stop);
  });

  it('does not take a lost hello for a sign-out', () => {
    vi.setSystemTime(Date.now() + 11_000); // the page was frozen, so its own limit is late
    socket.accept();
    socket.drop(4401);
    expect(host.endings[0]?.stop).toBeNull();
  });

  it('is told once, and nothing after it', () => {
    socket.open();
    socket.drop(1006);
    socket.drop(1006);
    socket.say(MESSAGE);
    expect(host.endings).toHaveLength(1);
    expect(host.got('message')).toEqual([]);
    expect(transport.send({ type: 'typing', conversation_id: 'c1', state: 'stop' })).toBe(false);
  });

  it('is not told to whoever closed it', () => {
    socket.open();
    transport.close();
    expect(socket.isClosing).toBe(true);
    socket.drop(1000);
    vi.advanceTimersByTime(100_000);
    expect(host.endings).toEqual([]);
  });
});
