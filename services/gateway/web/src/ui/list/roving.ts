/** Moves the focus among links as a key says: arrows, Home, End. False where the key says nothing about that. */
export function moveAmong(container: Element, selector: string, key: string): boolean {
  const stops = [...container.querySelectorAll<HTMLElement>(selector)];
  const at = stops.findIndex(stop => stop === document.activeElement);
  const to = targetOf(key, at, stops.length);
  if (to === null) return false;
  stops[to]?.focus();
  stops[to]?.scrollIntoView?.({ block: 'nearest' });
  return true;
}

function targetOf(key: string, at: number, count: number): number | null {
  if (key === 'ArrowDown') return Math.min(at + 1, count - 1);
  if (key === 'ArrowUp') return Math.max(at - 1, 0);
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  return null;
}
