/** How long to wait before the next try: with full jitter, so that clients don't come back all at once. */

const FIRST_MS = 1_000;
const MOST_MS = 30_000;
/** A connection that lasted so long was a good one. */
const STABLE_MS = 10_000;

export class Backoff {
  readonly #random: () => number;
  #n = 0;
  #failures = 0;
  #openedMs: number | null = null;

  /** `random`: evenly from 0 to 1. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Failed tries since the last good connection; one that broke at once counts as failed. */
  get failures(): number {
    return this.#failures;
  }

  /** The connection stands, from now on. */
  opened(nowMs: number): void {
    this.#openedMs = nowMs;
  }

  /** The connection broke, or the try failed. Returns how long to wait, in ms. */
  ended(nowMs: number): number {
    const wasGood = this.#openedMs !== null && nowMs - this.#openedMs >= STABLE_MS;
    if (wasGood) this.reset();
    else this.#failures += 1;
    this.#openedMs = null;
    const mostMs = Math.min(MOST_MS, FIRST_MS * 2 ** this.#n);
    this.#n += 1;
    return this.#random() * mostMs;
  }

  /** Begin anew. */
  reset(): void {
    this.#n = 0;
    this.#failures = 0;
  }
}
