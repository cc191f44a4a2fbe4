/** The connection of this browser: a socket, and HTTP in its place while none can be had. */

import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { ClientFrame } from '../protocol';
import { connectPolling } from './polling';
import { connectSocket } from './socket';
import type { Connect, Connection, Host, Stop } from './transport';
import { type Wakings, watchWakings } from './wake';
import { Way } from './way';

/** So many tries in a row fail before HTTP is used. */
const TRIES = 3;
/** Over how long those come back whose network does, or whose machine wakes. */
const SPREAD_MS = 1_000;

/** What a link needs of the browser. */
export interface Environment {
  readonly connectSocket: Connect;
  readonly connectPolling: Connect;
  readonly watchWakings: (wakings: Wakings) => () => void;
  readonly random: () => number;
  /** False: the browser is sure that it has no network. */
  readonly isOnline: () => boolean;
}

const BROWSER: Environment = {
  connectSocket,
  connectPolling,
  watchWakings,
  random: Math.random,
  isOnline: () => navigator.onLine,
};

export class Link {
  readonly #environment: Environment;
  readonly #connection: Signal<Connection>;
  readonly #socket: Way;
  readonly #polling: Way;
  #sinceMs = Date.now();
  #stopWatching: (() => void) | null = null;

  constructor(host: Host, environment: Environment = BROWSER) {
    this.#environment = environment;
    const owner = {
      onChange: () => this.#onChange(),
      onStop: (why: Stop, reason: string) => {
        this.#halt();
        this.#tell({ state: 'stopped', why, reason });
      },
    };
    this.#socket = new Way(environment.connectSocket, host, environment.random, owner);
    this.#polling = new Way(environment.connectPolling, host, environment.random, owner);
    this.#connection = signal(this.#unconnected());
  }

  /** How it is now: 'connecting' too before it is started, and after it is stopped. */
  get connection(): ReadonlySignal<Connection> {
    return this.#connection;
  }

  /** Connect, and stay connected until told otherwise, by `stop` or by the server. */
  start(): void {
    if (this.#stopWatching) return;
    this.#sinceMs = Date.now();
    this.#stopWatching = this.#environment.watchWakings({
      onWake: () => this.#hurry(),
      onOnline: () => this.#hurry(),
      onOffline: () => {
        this.#socket.transport?.probe();
        this.#polling.transport?.probe();
        this.#publish();
      },
    });
    this.#socket.start();
    this.#publish();
  }

  stop(): void {
    this.#halt();
    this.#sinceMs = Date.now();
    this.#tell(this.#unconnected());
  }

  /** Send a frame. False: not connected, or too much waits already; nothing was sent. */
  send(frame: ClientFrame): boolean {
    return (this.#socket.transport ?? this.#polling.transport)?.send(frame) ?? false;
  }

  /** Try now, as somebody asked for it; this also ends the state 'stopped'. */
  reconnect(): void {
    if (this.#connection.peek().state === 'stopped') this.start();
    else {
      this.#socket.tryNow();
      this.#polling.tryNow();
      this.#publish();
    }
  }

  /** Make sure that the connection is alive; one that is not ends within 5 s. */
  probe(): void {
    (this.#socket.transport ?? this.#polling.transport)?.probe();
  }

  #hurry(): void {
    this.#socket.hurry(SPREAD_MS);
    this.#polling.hurry(SPREAD_MS);
    this.#publish();
  }

  #onChange(): void {
    if (this.#socket.transport) this.#polling.stop();
    else if (this.#socket.tries >= TRIES) this.#polling.start(this.#socket.notBeforeMs);
    this.#publish();
  }

  #halt(): void {
    this.#stopWatching?.();
    this.#stopWatching = null;
    this.#socket.stop();
    this.#polling.stop();
  }

  #publish(): void {
    if (!this.#stopWatching) return;
    if (this.#socket.transport) this.#tell({ state: 'online' });
    else if (this.#polling.transport) this.#tell({ state: 'polling' });
    else {
      const { state } = this.#connection.peek();
      if (state === 'online' || state === 'polling') this.#sinceMs = Date.now();
      if (this.#environment.isOnline()) this.#tell(this.#unconnected());
      else this.#tell({ state: 'offline', sinceMs: this.#sinceMs });
    }
  }

  #unconnected(): Connection {
    const due = [this.#socket, this.#polling].filter(way => way.isRunning).map(way => way.tryAtMs);
    const retryAtMs = due.length > 0 ? Math.min(...due) : this.#sinceMs;
    return { state: 'connecting', tries: this.#socket.tries, sinceMs: this.#sinceMs, retryAtMs };
  }

  #tell(connection: Connection): void {
    if (JSON.stringify(connection) !== JSON.stringify(this.#connection.peek())) this.#connection.value = connection;
  }
}
