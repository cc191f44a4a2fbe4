/** Finds out that a link is dead without a word: by silence, and a question that nobody answers. */

/** So many heartbeats of the server may be silent. */
const SILENT_BEATS = 1.5;
/** What is answered at once is answered within that. */
const ANSWER_MS = 3_000;
const PROBE_MS = 5_000;
/** A timer so late fired in a page that was frozen: the answer may be waiting behind it. */
const LATE_MS = 1_000;

export class Life {
  readonly #ask: () => void;
  readonly #onDead: () => void;
  #heardMs = 0;
  #mostSilentMs = 0;
  /** Since when an answer is due; null: nobody has asked since the last frame came. */
  #askedMs: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isProbing = false;

  /** `ask`: ask for a sign of life. `onDead`: none came within 5 s. */
  constructor(ask: () => void, onDead: () => void) {
    this.#ask = ask;
    this.#onDead = onDead;
  }

  /** Watch from now on; the server speaks at least every `heartbeatMs`. */
  begin(heartbeatMs: number): void {
    this.#mostSilentMs = heartbeatMs * SILENT_BEATS;
    this.hear();
    this.#wait();
  }

  /** A frame came, of whatever kind. */
  hear(): void {
    this.#heardMs = Date.now();
    this.#askedMs = null;
    if (!this.#isProbing) return;
    this.#isProbing = false;
    this.#wait();
  }

  /** Something was sent that is answered: silence now means sooner that the link is dead. */
  expectAnswer(): void {
    if (this.#askedMs !== null) return;
    this.#askedMs = Date.now();
    if (this.#mostSilentMs > 0 && !this.#isProbing) this.#wait();
  }

  /** Ask now, unless it is asked already. */
  probe(): void {
    if (this.#mostSilentMs > 0 && !this.#isProbing) this.#question(true);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (Date.now() < this.#dueMs) this.#wait();
      else this.probe();
    }, this.#dueMs - Date.now());
  }

  /** When a sign of life is due. */
  get #dueMs(): number {
    const beatMs = this.#heardMs + this.#mostSilentMs;
    return this.#askedMs === null ? beatMs : Math.min(beatMs, this.#askedMs + ANSWER_MS);
  }

  #question(mayAskAgain: boolean): void {
    this.#isProbing = true;
    const dueMs = Date.now() + PROBE_MS;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (mayAskAgain && Date.now() - dueMs > LATE_MS) this.#question(false);
      else this.#onDead();
    }, PROBE_MS);
    this.#ask();
  }
}
