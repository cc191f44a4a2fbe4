/** The lock that the leading tab of a browser holds. */

export type Locks = Pick<LockManager, 'request'>;

export interface LockOwner {
  onHeld(): void;
  /** Another tab took it by force; this one asks again by itself. */
  onLost(): void;
  /** The browser gives out no locks. */
  onUnavailable(): void;
}

export class LeaderLock {
  readonly #name: string;
  readonly #locks: Locks;
  readonly #owner: LockOwner;
  /** Counts requests: what comes of an earlier one is not heeded. */
  #turn = 0;
  #giveUp: (() => void) | null = null;

  constructor(name: string, locks: Locks, owner: LockOwner) {
    this.#name = name;
    this.#locks = locks;
    this.#owner = owner;
  }

  /** Wait for the lock until whoever has it lets go. */
  ask(): void {
    const aborter = new AbortController();
    void this.#request({ signal: aborter.signal }, () => aborter.abort());
  }

  /** Take the lock from whoever has it. */
  steal(): void {
    void this.#request({ steal: true }, () => undefined);
  }

  /** Let the lock go, or ask for it no more. */
  release(): void {
    this.#turn += 1;
    this.#giveUp?.();
    this.#giveUp = null;
  }

  async #request(options: LockOptions, abort: () => void): Promise<void> {
    this.release();
    const turn = this.#turn;
    let isHeld = false;
    this.#giveUp = abort;
    try {
      await this.#locks.request(this.#name, options, () => {
        if (turn !== this.#turn) return undefined;
        isHeld = true;
        const released = new Promise<void>(resolve => {
          this.#giveUp = resolve;
        });
        this.#owner.onHeld();
        return released;
      });
    } catch {
      if (turn !== this.#turn) return;
      if (!isHeld) {
        this.#owner.onUnavailable();
        return;
      }
      this.#owner.onLost();
      if (turn === this.#turn) this.ask();
    }
  }
}
