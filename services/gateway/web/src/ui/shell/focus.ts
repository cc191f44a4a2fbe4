import { useEffect, useRef } from 'preact/hooks';
import { type Route, route } from '../router';
import { isNarrow } from '../screen';

/**
 * Moves the focus when the page changes: to the new page's heading, or back to the row it was opened from. Where a
 * field of the new page took it (where messages are written), or the focus is still in the list, it stays.
 */
export function useFocusOnPages(): void {
  const at = route.value;
  const before = useRef<Route | null>(null);
  useEffect(() => {
    const from = before.current;
    before.current = at;
    if (from === null || from === at) return;
    if (document.querySelector('dialog[open]')) return;
    const main = document.getElementById('main');
    if (at.page === 'list') {
      if (isNarrow.peek() || document.activeElement === document.body) focusRow(from);
    } else if (!main?.contains(document.activeElement)) {
      focusHeading(main);
    }
  }, [at]);
}

function focusRow(from: Route): void {
  const rows = document.querySelectorAll<HTMLElement>('a.row');
  const row = from.page === 'conversation' ? [...rows].find(one => one.dataset['id'] === from.id) : undefined;
  (row ?? document.querySelector<HTMLElement>('.side-title'))?.focus({ preventScroll: row === undefined });
}

function focusHeading(main: HTMLElement | null): void {
  const heading = main?.querySelector<HTMLElement>('h1');
  if (heading && !heading.hasAttribute('tabindex')) heading.tabIndex = -1;
  (heading ?? main)?.focus({ preventScroll: true });
}
