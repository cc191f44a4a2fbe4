import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Link } from '../src/link/link';
import type { Connect, Connection, Ending, Transport } from '../src/link/transport';
import type { Wakings } from '../src/link/wake';
import type { ClientFrame } from '../src/protocol';
import { FakeHost } from './support/fake-socket';
import { endFakeTimers } from './support/timers';

const FRAME: ClientFrame = { type: 'typing', conversation_id: 'c1', state: 'start' };

/** A transport that does what the test says. */
class FakeTransport implements Transport {
  readonly sent: ClientFrame[] = [];
  probes = 0;
  isClosed = false;

  constructor(
    readonly open: () => void,
    readonly onEnd: (ending: Ending) => void,
  ) {}

  send(frame: ClientFrame): boolean {
    this.sent.push(frame);
    return true;
  }

  probe(): void {
    this.probes += 1;
  }

  close(): void {
    this.isClosed = true;
  }

  end(ending: Partial<Ending> = {}): void {
    this.onEnd({ code: 1006, reason: '', stop: null, afterMs: 0, ...ending });
  }
}

/** All transports of a kind that were made. */
class Made {
  readonly all: FakeTransport[] = [];

  readonly connect: Connect = (_host, onOpen, onEnd) => {
    const transport = new FakeTransport(onOpen, onEnd);
    this.all.push(transport);
    return transport;
  };

  get last(): FakeTransport {
    const transport = this.all.at(-1);
    if (!transport) throw new Error('none was made');
    return transport;
  }
}

let sockets: Made;
let polls: Made;
let wakings: Wakings | null;
let random: number;
let isOnline: boolean;
let link: Link;
let startMs: number;

const state = (): Connection => link.connection.value;
const sinceStart = (): number => Date.now() - startMs;

/** Let tries fail, one after the other. */
function failTries(count: number): void {
  for (let n = 0; n < count; n++) {
    const made = sockets.all.length;
    sockets.last.end();
    vi.advanceTimersByTime(30_000);
    expect(sockets.all).toHaveLength(made + 1);
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  sockets = new Made();
  polls = new Made();
  wakings = null;
  random = 1;
  isOnline = true;
  link = new Link(new FakeHost(), {
    connectSocket: sockets.connect,
    connectPolling: polls.connect,
    watchWakings: given => {
      wakings = given;
      return () => {
        wakings = null;
      };
    },
    random: () => random,
    isOnline: () => isOnline,
  });
  startMs = Date.now();
  link.start();
});

afterEach(async () => {
  link.stop();
  await endFakeTimers();
});

describe('a link', () => {
  it('does nothing before it is started', () => {
    const idle = new Link(new FakeHost(), {
      connectSocket: sockets.connect,
      connectPolling: polls.connect,
      watchWakings: () => () => undefined,
      random: () => 1,
      isOnline: () => true,
    });
    expect(sockets.all).toHaveLength(1);
    expect(idle.connection.value).toMatchObject({ state: 'connecting', tries: 0 });
    expect(idle.send(FRAME)).toBe(false);
  });

  it('connects once, however often it is started', () => {
    link.start();
    expect(sockets.all).toHaveLength(1);
    expect(state()).toEqual({ state: 'connecting', tries: 0, sinceMs: startMs, retryAtMs: startMs });
  });

  it('is online while its socket is open, and sends by it', () => {
    expect(link.send(FRAME)).toBe(false);
    sockets.last.open();
    expect(state()).toEqual({ state: 'online' });
    expect(link.send(FRAME)).toBe(true);
    expect(sockets.last.sent).toEqual([FRAME]);
  });

  it('tells no state twice', () => {
    const told = vi.fn<(connection: Connection) => void>();
    const end = link.connection.subscribe(told);
    wakings?.onWake();
    wakings?.onOffline();
    expect(told).toHaveBeenCalledOnce();
    end();
  });
});

describe('trying again', () => {
  it('tells how often it failed, since when, and when it goes on', () => {
    sockets.last.open();
    vi.advanceTimersByTime(20_000);
    sockets.last.end();
    const sinceMs = Date.now();
    expect(state()).toEqual({ state: 'connecting', tries: 0, sinceMs, retryAtMs: sinceMs + 1_000 });
    vi.advanceTimersByTime(1_000);
    expect(state()).toEqual({ state: 'connecting', tries: 0, sinceMs, retryAtMs: sinceMs + 1_000 });
    sockets.last.end();
    expect(state()).toEqual({ state: 'connecting', tries: 1, sinceMs, retryAtMs: sinceMs + 3_000 });
  });

  it('waits longer each time, and again 1 s after 10 s of connection', () => {
    sockets.last.end();
    vi.advanceTimersByTime(1_000);
    sockets.last.end();
    vi.advanceTimersByTime(1_999);
    expect(sockets.all).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(sockets.all).toHaveLength(3);
    sockets.last.open();
    vi.advanceTimersByTime(9_999);
    sockets.last.end();
    vi.advanceTimersByTime(3_999);
    expect(sockets.all).toHaveLength(3);
    vi.advanceTimersByTime(1);
    expect(sockets.all).toHaveLength(4);
    sockets.last.open();
    vi.advanceTimersByTime(10_000);
    sockets.last.end();
    vi.advanceTimersByTime(1_000);
    expect(sockets.all).toHaveLength(5);
  });

  it('stays away as long as the server asks for, and its own wait', () => {
    sockets.last.end({ code: 4429, afterMs: 10_000 });
    vi.advanceTimersByTime(10_999);
    expect(sockets.all).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(sockets.all).toHaveLength(2);
  });
});

describe('polling in the place of a socket', () => {
  it('begins after three failed tries, and ends when a socket is open', () => {
    failTries(2);
    expect(polls.all).toHaveLength(0);
    sockets.last.end();
    expect(polls.all).toHaveLength(1);
    expect(state().state).toBe('connecting');
    polls.last.open();
    expect(state()).toEqual({ state: 'polling' });
    link.send(FRAME);
    expect(polls.last.sent).toEqual([FRAME]);
    vi.advanceTimersByTime(4_000);
    expect(sockets.all).toHaveLength(4);
    sockets.last.open();
    expect(polls.last.isClosed).toBe(true);
    expect(state()).toEqual({ state: 'online' });
    link.send(FRAME);
    expect(sockets.last.sent).toEqual([FRAME]);
  });

  it('goes on while sockets go on failing, at most 30 s apart', () => {
    failTries(3);
    polls.last.open();
    failTries(20);
    expect(polls.all).toHaveLength(1);
    expect(state()).toEqual({ state: 'polling' });
  });

  it('begins too where sockets break as soon as they are open', () => {
    for (let n = 0; n < 3; n++) {
      vi.advanceTimersByTime(30_000);
      sockets.last.open();
      vi.advanceTimersByTime(100);
      sockets.last.end();
    }
    expect(polls.all).toHaveLength(1);
    polls.last.open();
    vi.advanceTimersByTime(30_000);
    sockets.last.open();
    sockets.last.end();
    expect(polls.all).toHaveLength(2);
  });

  it('does not begin while the server wants to be left alone', () => {
    failTries(2);
    sockets.last.end({ code: 4429, afterMs: 10_000 });
    wakings?.onOnline();
    vi.advanceTimersByTime(9_999);
    expect(polls.all).toHaveLength(0);
    vi.advanceTimersByTime(1);
    expect(polls.all).toHaveLength(1);
  });

  it('does not begin when a good connection breaks', () => {
    failTries(2);
    sockets.last.open();
    vi.advanceTimersByTime(10_000);
    sockets.last.end();
    expect(polls.all).toHaveLength(0);
    expect(state()).toMatchObject({ state: 'connecting', tries: 0 });
  });

  it('is tried again by itself, with a backoff of its own', () => {
    failTries(3);
    polls.last.open();
    vi.advanceTimersByTime(10_000);
    polls.last.end({ code: 0, afterMs: 2_000 });
    const now = Date.now();
    expect(state()).toMatchObject({ state: 'connecting', sinceMs: now });
    vi.advanceTimersByTime(2_999);
    expect(polls.all).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(polls.all).toHaveLength(2);
  });
});

describe('a better network', () => {
  it('lets a waiting try begin within 1 s, and asks nothing twice', () => {
    failTries(2);
    sockets.last.end();
    random = 0.5;
    wakings?.onOnline();
    vi.advanceTimersByTime(499);
    expect(sockets.all).toHaveLength(3);
    vi.advanceTimersByTime(1);
    expect(sockets.all).toHaveLength(4);
    vi.advanceTimersByTime(60_000);
    expect(sockets.all).toHaveLength(4);
  });

  it('never makes a try later', () => {
    random = 0.1;
    sockets.last.end();
    random = 1;
    wakings?.onWake();
    vi.advanceTimersByTime(100);
    expect(sockets.all).toHaveLength(2);
  });

  it('does not override what an overloaded server asks for', () => {
    sockets.last.end({ afterMs: 20_000 });
    wakings?.onOnline();
    vi.advanceTimersByTime(19_999);
    expect(sockets.all).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(sockets.all).toHaveLength(2);
  });

  it('makes it ask an open connection for a sign of life', () => {
    sockets.last.open();
    wakings?.onWake();
    wakings?.onOnline();
    link.probe();
    expect(sockets.last.probes).toBe(3);
  });

  it('makes it ask polling too', () => {
    failTries(3);
    polls.last.open();
    wakings?.onWake();
    link.probe();
    expect(polls.last.probes).toBe(2);
  });
});

describe('a browser that says it is offline', () => {
  it('is not believed while the connection lives', () => {
    sockets.last.open();
    isOnline = false;
    wakings?.onOffline();
    expect(sockets.last.probes).toBe(1);
    expect(state()).toEqual({ state: 'online' });
    sockets.last.end();
    expect(state()).toEqual({ state: 'offline', sinceMs: Date.now() });
  });

  it('is tried again all the same, and believed when it is back', () => {
    isOnline = false;
    wakings?.onOffline();
    expect(state()).toEqual({ state: 'offline', sinceMs: startMs });
    failTries(1);
    isOnline = true;
    wakings?.onOnline();
    expect(state()).toMatchObject({ state: 'connecting', tries: 1, sinceMs: startMs });
  });
});

describe('stopping', () => {
  it.each(['signed-out', 'taken-over', 'refused', 'outdated'] as const)('for good where it is %s', why => {
    failTries(3);
    polls.last.open();
    const socket = sockets.last;
    socket.end({ stop: why, reason: 'Because.' });
    expect(state()).toEqual({ state: 'stopped', why, reason: 'Because.' });
    expect([polls.last.isClosed, wakings, vi.getTimerCount()]).toEqual([true, null, 0]);
    vi.advanceTimersByTime(600_000);
    expect(sockets.all.at(-1)).toBe(socket);
    expect(link.send(FRAME)).toBe(false);
  });

  it('for good where polling says so', () => {
    failTries(3);
    const socket = sockets.last;
    polls.last.end({ stop: 'signed-out' });
    expect(state()).toMatchObject({ state: 'stopped', why: 'signed-out' });
    expect(socket.isClosed).toBe(true);
  });

  it('until somebody asks for a connection', () => {
    sockets.last.end({ stop: 'taken-over' });
    vi.advanceTimersByTime(5_000);
    link.reconnect();
    const now = Date.now();
    expect(state()).toEqual({ state: 'connecting', tries: 0, sinceMs: now, retryAtMs: now });
    sockets.last.open();
    expect(state()).toEqual({ state: 'online' });
    expect(wakings).not.toBeNull();
  });

  it('until it is started again', () => {
    sockets.last.end({ stop: 'taken-over' });
    link.start();
    expect(state().state).toBe('connecting');
    expect(sockets.all).toHaveLength(2);
  });

  it('ends everything: sockets, polls, timers, listeners', () => {
    failTries(3);
    polls.last.end();
    link.stop();
    expect([sockets.last.isClosed, wakings, vi.getTimerCount()]).toEqual([true, null, 0]);
    expect(state()).toEqual({ state: 'connecting', tries: 0, sinceMs: Date.now(), retryAtMs: Date.now() });
    link.reconnect();
    expect(sockets.all).toHaveLength(4);
  });
});

describe('being asked to reconnect', () => {
  it('tries at once, and begins the backoff anew', () => {
    failTries(2);
    sockets.last.end({ afterMs: 5_000 });
    const before = sinceStart();
    link.reconnect();
    expect(sockets.all).toHaveLength(4);
    expect(state()).toMatchObject({ state: 'connecting', tries: 0, retryAtMs: startMs + before });
    sockets.last.end();
    vi.advanceTimersByTime(1_000);
    expect(sockets.all).toHaveLength(5);
  });

  it('does not disturb a try under way, and looks at what is open', () => {
    link.reconnect();
    expect(sockets.all).toHaveLength(1);
    sockets.last.open();
    link.reconnect();
    expect([sockets.all.length, sockets.last.probes]).toEqual([1, 1]);
  });
});
