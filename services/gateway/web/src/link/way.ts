/** One way to the server, kept up: after each end it is tried again, by backoff. */

import { Backoff } from './backoff';
import type { Connect, Ending, Host, Stop, Transport } from './transport';

export interface WayOwner {
  /** It opened, ended, or waits for another time. */
  onChange(): void;
  /** It ended for good. */
  onStop(stop: Stop, reason: string): void;
}

export class Way {
  readonly #connect: Connect;
  readonly #host: Host;
  readonly #random: () => number;
  readonly #owner: WayOwner;
  readonly #backoff: Backoff;
  #transport: Transport | null = null;
  #isOpen = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tryAtMs = 0;
  #notBeforeMs = 0;

  constructor(connect: Connect, host: Host, random: () => number, owner: WayOwner) {
    this.#connect = connect;
    this.#host = host;
    this.#random = random;
    this.#owner = owner;
    this.#backoff = new Backoff(random);
  }

  /** What to send by, while it is open. */
  get transport(): Transport | null {
    return this.#isOpen ? this.#transport : null;
  }

  get isRunning(): boolean {
    return this.#transport !== null || this.#timer !== undefined;
  }

  /** Failed tries since the last good connection. */
  get tries(): number {
    return this.#backoff.failures;
  }

  /** When the next try begins, or the last one began (Unix ms). */
  get tryAtMs(): number {
    return this.#tryAtMs;
  }

  /** Until then (Unix ms) the server wants to be left alone. */
  get notBeforeMs(): number {
    return this.#notBeforeMs;
  }

  /** Begin, but not before that (Unix ms). */
  start(notBeforeMs = 0): void {
    if (this.isRunning) return;
    this.#notBeforeMs = notBeforeMs;
    if (notBeforeMs > Date.now()) this.#plan(notBeforeMs);
    else this.#try();
  }

  stop(): void {
    this.#isOpen = false;
    this.#transport?.close();
    this.#transport = null;
    this.#forgetPlan();
    this.#notBeforeMs = 0;
    this.#backoff.reset();
  }

  /** Something speaks for a better network: ask what is open for a sign of life, and don't let a try wait long. */
  hurry(mostMs: number): void {
    if (this.#isOpen) this.#transport?.probe();
    if (this.#timer === undefined) return;
    const atMs = Math.max(this.#notBeforeMs, Date.now() + Math.round(this.#random() * mostMs));
    if (atMs < this.#tryAtMs) this.#plan(atMs);
  }

  /** Somebody asks for it: try now, whatever was before. */
  tryNow(): void {
    this.#backoff.reset();
    if (this.#isOpen) this.#transport?.probe();
    if (this.#timer === undefined) return;
    this.#forgetPlan();
    this.#try();
  }

  #try(): void {
    this.#tryAtMs = Date.now();
    this.#transport = this.#connect(
      this.#host,
      () => this.#opened(),
      ending => this.#ended(ending),
    );
  }

  #opened(): void {
    this.#isOpen = true;
    this.#backoff.opened(Date.now());
    this.#owner.onChange();
  }

  #ended({ stop, reason, afterMs }: Ending): void {
    this.#isOpen = false;
    this.#transport = null;
    if (stop !== null) {
      this.#owner.onStop(stop, reason);
      return;
    }
    const now = Date.now();
    this.#notBeforeMs = now + afterMs;
    this.#plan(this.#notBeforeMs + Math.round(this.#backoff.ended(now)));
    this.#owner.onChange();
  }

  #plan(atMs: number): void {
    this.#forgetPlan();
    this.#tryAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#try();
        this.#owner.onChange();
      },
      Math.max(0, atMs - Date.now()),
    );
  }

  #forgetPlan(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
