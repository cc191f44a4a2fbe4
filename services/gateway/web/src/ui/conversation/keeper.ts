import { type Anchor, capture, distanceTo, firstRow, rowOf, rowsOf } from './anchor';

/** At the bottom within these px counts as at the bottom. */
const SLACK = 24;
/** Where a row is put that was jumped to: this far below the top, as a part of the height. */
const JUMP_PART = 0.3;
/** px above the divider of new messages when a conversation is opened there. */
const DIVIDER_TOP = 64;

/** Where to go: the end, or a row; `start`: at the top as far as the list is long enough, `middle`: nearer the middle. */
export type Target =
  | { readonly to: 'end' }
  | {
      readonly to: 'row';
      readonly key: string;
      readonly place: 'start' | 'middle';
    };

export type { Anchor };

/** Where a list is. */
export type Position = 'end' | Anchor;

/**
 * Keeps what people look at in its place while messages come and go around it.
 *
 * Before the DOM changes call `capture`, afterwards `settle`. Browsers have scroll anchoring of their own, but it does
 * nothing at the very top, where older messages are loaded; it is off in the style sheet.
 */
export class ScrollKeeper {
  readonly #scroller: HTMLElement;
  #anchor: Anchor | null = null;
  /** Whoever looks at it was at the end, and did not scroll since. */
  #isStuck = true;
  #target: Target | null = null;
  /** `scrollTop` as it was set last: another value means that somebody scrolled. */
  #expected = -1;
  /** Whether new messages are put below what is held: only then the end of the list is the end. */
  #reachesEnd = true;

  constructor(scroller: HTMLElement, position: Position = 'end') {
    this.#scroller = scroller;
    if (position !== 'end') {
      this.#isStuck = false;
      this.#anchor = position;
    }
  }

  /** Whether the newest message is on the screen, and what comes next will be. */
  get isAtEnd(): boolean {
    return this.#isStuck && this.#reachesEnd;
  }

  get position(): Position {
    return this.isAtEnd || !this.#anchor ? 'end' : this.#anchor;
  }

  /** px that are hidden below what is on the screen. */
  get below(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** px that are hidden above. */
  get above(): number {
    return this.#scroller.scrollTop;
  }

  /** Who was at the end stays there where what is missing below is loaded at once. */
  setReachesEnd(reachesEnd: boolean): void {
    this.#reachesEnd = reachesEnd;
  }

  /** Remember what is on the screen. Does nothing where nobody scrolled since it was put there. */
  capture(): void {
    if (this.#target !== null || this.#scroller.scrollTop === this.#expected) return;
    this.#anchor = capture(this.#scroller);
    this.#expected = this.#scroller.scrollTop;
  }

  /** The list scrolled. True where a person did it. */
  scrolled(): boolean {
    if (this.#scroller.scrollTop === this.#expected) return false;
    this.#target = null;
    this.#isStuck = this.#reachesEnd && this.below <= SLACK;
    this.capture();
    return true;
  }

  /** Whether a row is in the list. */
  has(key: string): boolean {
    return rowOf(this.#scroller, key) !== null;
  }

  /** Put a row where it was. */
  restore(anchor: Anchor): void {
    this.#target = null;
    this.#isStuck = false;
    this.#anchor = anchor;
    this.#putAnchor();
  }

  /** Put a target on the screen with the next `settle` that finds it, and again until `arrive` or until somebody scrolls. */
  aim(target: Target): void {
    this.#target = target;
  }

  /** The target is where it belongs. */
  arrive(): void {
    this.#target = null;
  }

  /** Hold the top of a row where it is, whatever happens above and below: it is about to grow. */
  hold(key: string): void {
    const row = rowOf(this.#scroller, key);
    if (!row) return;
    this.#isStuck = false;
    this.#anchor = {
      key,
      top: row.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top,
    };
    this.#expected = this.#scroller.scrollTop;
  }

  /** Put things back in their places, after the list or the window changed. */
  settle(): void {
    if (this.#target?.to === 'row') this.#putRow(this.#target.key, this.#target.place);
    else if (this.#target?.to === 'end' || this.isAtEnd) this.#putEnd();
    else this.#putAnchor();
  }

  /** The seq of the last message whose end is on the screen; 0 where there is none. */
  lastSeqShown(): number {
    const rows = rowsOf(this.#scroller);
    const view = this.#scroller.getBoundingClientRect();
    let index = firstRow(rows, box => box.bottom > view.bottom + 1) - 1;
    for (; index >= 0; index -= 1) {
      const row = rows[index];
      if (!row || row.getBoundingClientRect().bottom <= view.top) return 0;
      const seq = Number(row.dataset['seq'] ?? 0);
      if (seq > 0) return seq; // others are messages that are not stored yet
    }
    return 0;
  }

  #putEnd(): void {
    this.#isStuck = this.#reachesEnd;
    this.#scrollTo(this.#scroller.scrollHeight);
    this.#anchor = capture(this.#scroller);
  }

  #putRow(key: string, place: 'start' | 'middle'): void {
    const row = rowOf(this.#scroller, key);
    if (!row) return;
    const view = this.#scroller.getBoundingClientRect();
    const box = row.getBoundingClientRect();
    const top =
      place === 'start'
        ? DIVIDER_TOP
        : Math.max(DIVIDER_TOP, Math.min(view.height * JUMP_PART, view.height - box.height));
    this.#scrollTo(this.#scroller.scrollTop + box.top - view.top - top);
    this.#isStuck = this.#reachesEnd && this.below <= 1;
    this.#anchor = capture(this.#scroller);
  }

  #putAnchor(): void {
    const distance = this.#anchor && distanceTo(this.#scroller, this.#anchor);
    if (distance === null) this.#anchor = capture(this.#scroller);
    else if (distance !== 0) this.#scrollTo(this.#scroller.scrollTop + distance);
  }

  #scrollTo(top: number): void {
    this.#scroller.scrollTop = top;
    this.#expected = this.#scroller.scrollTop;
  }
}
