/** Where a list is scrolled to, told by one of its rows: it stays true while rows come and go around that row. */

export interface Anchor {
  /** The `data-key` of the row. */
  readonly key: string;
  /** px from the top of the scroller to the top of the row. */
  readonly top: number;
}

export function rowsOf(scroller: Element): NodeListOf<HTMLElement> {
  return scroller.querySelectorAll<HTMLElement>('[data-key]');
}

export function rowOf(scroller: Element, key: string): HTMLElement | null {
  return scroller.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
}

/**
 * Index of the first row for which `isBelow` holds, by its place in the window; the number of rows where there is none.
 * Rows are in order, so this looks at few of them.
 */
export function firstRow(rows: NodeListOf<HTMLElement>, isBelow: (box: DOMRect) => boolean): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle];
    if (row && isBelow(row.getBoundingClientRect())) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The anchor of what is on the screen now; null in an empty list. */
export function capture(scroller: Element): Anchor | null {
  const rows = rowsOf(scroller);
  const view = scroller.getBoundingClientRect();
  let index = firstRow(rows, box => box.top >= view.top);
  // What is loaded before the first row changes its shape, so the next one is better where it is on the screen, too.
  const next = rows[index + 1];
  if (index === 0 && next && next.getBoundingClientRect().top < view.bottom) index = 1;
  const row = rows[Math.min(index, rows.length - 1)];
  return row?.dataset['key'] === undefined
    ? null
    : {
        key: row.dataset['key'],
        top: row.getBoundingClientRect().top - view.top,
      };
}

/** px by which to scroll on, so that the anchor's row is where it was; null where that row is gone. */
export function distanceTo(scroller: Element, anchor: Anchor): number | null {
  const row = rowOf(scroller, anchor.key);
  if (!row) return null;
  return row.getBoundingClientRect().top - scroller.getBoundingClientRect().top - anchor.top;
}
