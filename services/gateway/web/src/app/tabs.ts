/** Elects the one tab of the browser that holds the socket, and carries messages between the tabs. */

import { type ReadonlySignal, signal } from '@preact/signals';
import { newId } from './ids';
import type { TabMessage } from './messages';
import { LeaderLock, type Locks } from './tabs-lock';

/** Of what tabs say to each other. Raise it when `TabMessage`, or something in it, changes its shape. */
const VERSION = 1;
/** A visible tab asks whether the leading one still lives: at the latest after that time, rarely several at once. */
const PING_MS = 10_000;
const PING_JITTER_MS = 2_000;
const ANSWER_MS = 5_000;
/** A timer that is that late means that the machine slept: the other tab did, too. */
const LATE_MS = 2_000;

export interface TabsHandlers {
  onMessage(message: TabMessage): void;
  /** This tab holds the socket from now on. */
  onLead(): void;
  /** Another tab took over, or the page is put aside. */
  onFollow(): void;
  /** The page was put aside by the browser and is back: what the other tabs said meanwhile is missed. */
  onReturn?(): void;
  /** A tab with a newer version of the client is open: they don't understand each other. Told once. */
  onOutdated?(): void;
}

export type Channel = Pick<BroadcastChannel, 'postMessage' | 'close' | 'addEventListener'>;

/** What a tab needs of its browser; null where the browser does not have it. */
export interface Surroundings {
  readonly locks: Locks | null;
  readonly openChannel: ((name: string) => Channel) | null;
  /** Tells `pagehide`, `pageshow` and `visibilitychange`. */
  readonly page: Pick<EventTarget, 'addEventListener'>;
  isVisible(): boolean;
}

interface Envelope {
  readonly v: number;
  readonly kind: 'ping' | 'pong' | 'leads' | 'message';
  readonly message?: TabMessage;
}

export class Tabs {
  readonly id = newId();
  readonly #name: string;
  readonly #handlers: TabsHandlers;
  readonly #around: Surroundings;
  /** Null: nobody to agree with, every tab leads by itself. */
  readonly #lock: LeaderLock | null;
  readonly #listening = new AbortController();
  readonly #isLeader = signal(false);
  #channel: Channel | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAway = false;
  #isOutdated = false;

  /** `onLead` is never called before the constructor has returned. */
  constructor(userId: string, handlers: TabsHandlers, around: Surroundings = browser()) {
    this.#name = `parley-${userId}`;
    this.#handlers = handlers;
    this.#around = around;
    this.#lock = around.locks && around.openChannel && new LeaderLock(this.#name, around.locks, this.#lockOwner());
    const { signal: ended } = this.#listening;
    around.page.addEventListener('pagehide', () => this.#goAway(), { signal: ended });
    around.page.addEventListener('pageshow', () => this.#comeBack(), { signal: ended });
    around.page.addEventListener('visibilitychange', () => this.#ping(), { signal: ended });
    this.#begin();
  }

  get isLeader(): ReadonlySignal<boolean> {
    return this.#isLeader;
  }

  /** Say something to the other tabs. */
  post(message: TabMessage): void {
    this.#say({ v: VERSION, kind: 'message', message });
  }

  /** Leave: another tab leads, and nothing is told any more. */
  close(): void {
    this.#listening.abort();
    this.#end();
    this.#isLeader.value = false;
  }

  // ---- Leading -------------------------------------------------------------------------------------

  #lockOwner(): ConstructorParameters<typeof LeaderLock>[2] {
    return {
      onHeld: () => this.#lead(),
      onLost: () => this.#follow(),
      onUnavailable: () => this.#lead(),
    };
  }

  #begin(): void {
    this.#channel = this.#around.openChannel?.(this.#name) ?? null;
    this.#channel?.addEventListener('message', ({ data }) => this.#hear(data));
    if (this.#lock) {
      this.#lock.ask();
      this.#ping();
    } else {
      queueMicrotask(() => {
        if (!this.#isAway && !this.#listening.signal.aborted) this.#lead();
      });
    }
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#lock?.release();
    this.#channel?.close();
    this.#channel = null;
  }

  #lead(): void {
    clearTimeout(this.#timer);
    this.#say({ v: VERSION, kind: 'leads' });
    this.#isLeader.value = true;
    this.#handlers.onLead();
  }

  #follow(): void {
    if (!this.#isLeader.peek()) return;
    this.#isLeader.value = false;
    this.#handlers.onFollow();
    if (!this.#isAway) this.#pingLater();
  }

  /** The page goes, maybe to be shown again as it was: while it lies aside it must not hold the lock. */
  #goAway(): void {
    this.#isAway = true;
    this.#end();
    this.#follow();
  }

  #comeBack(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#begin();
    this.#handlers.onReturn?.();
  }

  // ---- Watching the leader -------------------------------------------------------------------------

  #pingLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ping(), PING_MS - Math.random() * PING_JITTER_MS);
  }

  /** Ask the leader for a sign of life. Hidden tabs don't: their timers are slow, and nobody looks at them. */
  #ping(): void {
    clearTimeout(this.#timer);
    if (!this.#lock || this.#isAway || this.#isLeader.peek() || !this.#around.isVisible()) return;
    this.#say({ v: VERSION, kind: 'ping' });
    const askedAtMs = Date.now();
    this.#timer = setTimeout(() => {
      const isLate = Date.now() - askedAtMs > ANSWER_MS + LATE_MS;
      if (isLate) this.#ping();
      else this.#takeOver();
    }, ANSWER_MS);
  }

  #takeOver(): void {
    this.#pingLater();
    this.#lock?.steal();
  }

  // ---- The channel ---------------------------------------------------------------------------------

  #say(envelope: Envelope): void {
    this.#channel?.postMessage(envelope);
  }

  #hear(data: unknown): void {
    if (!isEnvelope(data)) return;
    const { v, kind, message } = data;
    if (v > VERSION) this.#noticeNewer();
    const isLeader = this.#isLeader.peek();
    if (kind === 'ping' && isLeader) this.#say({ v: VERSION, kind: 'pong' });
    if ((kind === 'pong' || kind === 'leads') && !isLeader) {
      if (v < VERSION) this.#takeOver(); // else this tab would hear nothing that it understands
      else this.#pingLater();
    }
    if (kind === 'message' && v === VERSION && message) this.#handlers.onMessage(message);
  }

  #noticeNewer(): void {
    if (this.#isOutdated) return;
    this.#isOutdated = true;
    this.#handlers.onOutdated?.();
  }
}

function isEnvelope(data: unknown): data is Envelope {
  if (typeof data !== 'object' || data === null) return false;
  const { v, kind } = data as Partial<Envelope>;
  return typeof v === 'number' && typeof kind === 'string';
}

function browser(): Surroundings {
  return {
    locks: typeof navigator.locks?.request === 'function' ? navigator.locks : null,
    openChannel: typeof BroadcastChannel === 'function' ? name => new BroadcastChannel(name) : null,
    page: window,
    isVisible: () => document.visibilityState === 'visible',
  };
}
