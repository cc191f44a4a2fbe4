/** What the window is like. */

import { type ReadonlySignal, signal } from '@preact/signals';

/** Whether there is room for one pane only: the list, or a conversation. As in the style sheets. */
export const isNarrow = matched('(max-width: 719.98px)');

function matched(query: string): ReadonlySignal<boolean> {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener('change', () => {
    matches.value = list.matches;
  });
  return matches;
}

/** Whether keys go into a field now. */
export function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
