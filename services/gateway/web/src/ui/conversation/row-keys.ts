import { rowsOf } from './anchor';

/** Moves the focus from a message to the one above or below it. False where the key says something else. */
export function moveBetweenRows(scroller: Element, event: KeyboardEvent): boolean {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return false;
  const step = event.key === 'ArrowUp' ? -1 : event.key === 'ArrowDown' ? 1 : 0;
  const row = event.target instanceof Element ? event.target.closest<HTMLElement>('.message') : null;
  if (step === 0 || !row) return false;
  const rows = [...rowsOf(scroller)].filter(one => one.classList.contains('message'));
  const next = rows[rows.indexOf(row) + step];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: 'nearest' });
  return true;
}
