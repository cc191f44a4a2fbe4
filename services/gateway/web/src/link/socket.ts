/** The WebSocket as a transport. */

import type { ClientFrame, GoodbyeFrame, ServerFrame } from '../protocol';
import { SUBPROTOCOL } from '../protocol';
import { stopAfter } from './closing';
import { Life } from './life';
import type { Connect, Ending, Host, Transport } from './transport';

/** How long it may take until `welcome`. */
const CONNECT_MS = 10_000;
/** So much may wait to be sent; the link is stuck then. */
const MOST_BUFFERED = 1024 * 1024;
const HEARTBEAT_MS = 20_000;
/** What the server answers in any case, and soon. */
const ANSWERED: ReadonlySet<ClientFrame['type']> = new Set(['message', 'sync']);

export type MakeSocket = (url: string, subprotocol: string) => WebSocket;

/** Connect by sockets that are made so. */
export function socketsBy(make: MakeSocket): Connect {
  return (host, onOpen, onEnd) => new SocketTransport(make, host, onOpen, onEnd);
}

export const connectSocket: Connect = socketsBy((url, subprotocol) => new WebSocket(url, subprotocol));

export class SocketTransport implements Transport {
  readonly #host: Host;
  readonly #onOpen: () => void;
  readonly #onEnd: (ending: Ending) => void;
  readonly #life = new Life(
    () => this.#write({ type: 'ping', n: this.#pings++ }),
    () => this.#end({ code: 0, reason: '', stop: null, afterMs: 0 }),
  );
  readonly #listening = new AbortController();
  readonly #startedMs = Date.now();
  readonly #limit: ReturnType<typeof setTimeout>;
  #socket: WebSocket | null = null;
  #goodbye: GoodbyeFrame | null = null;
  #isWelcome = false;
  #isOpen = false;
  #isLive = false;
  #pings = 0;
  #malformed = 0;

  constructor(make: MakeSocket, host: Host, onOpen: () => void, onEnd: (ending: Ending) => void) {
    this.#host = host;
    this.#onOpen = onOpen;
    this.#onEnd = onEnd;
    const unreached: Ending = { code: 0, reason: '', stop: null, afterMs: 0 };
    try {
      this.#socket = make(address(), SUBPROTOCOL);
    } catch {
      this.#limit = setTimeout(() => this.#end(unreached), 0); // the browser refuses to try
      return;
    }
    this.#limit = setTimeout(() => this.#end(unreached), CONNECT_MS);
    const { signal } = this.#listening;
    this.#socket.addEventListener('open', () => this.#write(this.#host.hello()), { signal });
    this.#socket.addEventListener('message', event => this.#onMessage(event.data), { signal });
    this.#socket.addEventListener('close', event => this.#onClose(event), { signal });
  }

  /** How many frames of the server could not be read; they are ignored. */
  get malformed(): number {
    return this.#malformed;
  }

  send(frame: ClientFrame): boolean {
    const isSent = this.#isOpen && this.#write(frame);
    if (isSent && ANSWERED.has(frame.type)) this.#life.expectAnswer();
    return isSent;
  }

  probe(): void {
    this.#life.probe();
  }

  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#limit);
    this.#life.end();
    this.#listening.abort();
    this.#socket?.close();
    this.#socket = null;
  }

  #write(frame: ClientFrame): boolean {
    const socket = this.#socket;
    if (socket?.readyState !== 1 || socket.bufferedAmount > MOST_BUFFERED) return false;
    socket.send(JSON.stringify(frame));
    return true;
  }

  #onMessage(data: unknown): void {
    this.#life.hear();
    const frame = read(data);
    if (!frame) {
      this.#malformed += 1;
      return;
    }
    switch (frame.type) {
      case 'ping':
        this.#write({ type: 'pong', n: frame.n });
        return;
      case 'pong':
        return;
      case 'welcome':
        this.#welcome(frame.heartbeat_ms);
        break;
      case 'goodbye':
        this.#goodbye = frame;
        break;
    }
    this.#host.onFrame(frame, this.#isLive);
    if (frame.type === 'caught_up') this.#caughtUp();
    else if (frame.type === 'resync' && frame.conversation_id === undefined) this.#beginAgain();
  }

  /** The replay begins, for the first time or anew. */
  #welcome(heartbeatMs: number): void {
    clearTimeout(this.#limit);
    this.#isLive = false;
    if (!this.#isWelcome) this.#life.begin(heartbeatMs > 0 ? heartbeatMs : HEARTBEAT_MS);
    this.#isWelcome = true;
  }

  #caughtUp(): void {
    this.#isLive = true;
    if (this.#isOpen || !this.#socket) return;
    this.#isOpen = true;
    this.#onOpen();
  }

  #beginAgain(): void {
    this.#isLive = false;
    this.#write(this.#host.hello());
  }

  #onClose({ code, reason }: CloseEvent): void {
    // Without a hello in time the server says "not signed in" too; that is so after a freeze or on a bad line.
    const isLate = !this.#isWelcome && Date.now() - this.#startedMs >= CONNECT_MS;
    this.#end({
      code,
      reason: this.#goodbye?.reason ?? reason,
      stop: isLate ? null : stopAfter(code, this.#goodbye),
      afterMs: this.#goodbye?.after_ms ?? 0,
    });
  }

  /** A dead link is left at once: its close handshake may take minutes. */
  #end(ending: Ending): void {
    this.close();
    this.#onEnd(ending);
  }
}

function address(): string {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}/ws`;
}

function read(data: unknown): ServerFrame | null {
  if (typeof data !== 'string') return null;
  try {
    const frame: unknown = JSON.parse(data);
    const isFrame = typeof frame === 'object' && frame !== null && 'type' in frame && typeof frame.type === 'string';
    return isFrame ? (frame as ServerFrame) : null;
  } catch {
    return null;
  }
}
