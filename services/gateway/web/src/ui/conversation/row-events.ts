import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';
import { onLongPress } from '../list/long-press';
import type { MenuAnchor } from '../widgets/menu';

interface RowEvents {
  /** The menu of a message is asked for: by a right click, a long press, or a key. */
  onMenu(key: string, anchor: MenuAnchor): void;
  /** The focus came to a row, or left them (null). */
  onFocus(key: string | null): void;
}

/** Hears what happens to messages. `events` must stay the same. */
export function useRowEvents(list: RefObject<HTMLElement | null>, events: RowEvents): void {
  useEffect(() => {
    const element = list.current;
    if (!element) return;
    const openMenu = (event: MouseEvent): void => {
      const bubble = event.target instanceof Element ? event.target.closest('.bubble') : null;
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>('.message') : null;
      if (!row || (event.target as Element).closest('a') || getSelection()?.isCollapsed === false) return;
      const isByKey = event.button !== 2 && event.clientX === 0 && event.clientY === 0;
      if (!bubble && !isByKey) return;
      event.preventDefault();
      events.onMenu(keyOf(row), isByKey ? row : { x: event.clientX, y: event.clientY });
    };
    const noteFocus = (event: FocusEvent): void => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>('.message') : null;
      events.onFocus(row && keyOf(row));
    };
    element.addEventListener('contextmenu', openMenu);
    element.addEventListener('focusin', noteFocus);
    const endLongPress = onLongPress(element, (target, x, y) => {
      const row = target.closest('.bubble')?.closest<HTMLElement>('.message');
      if (row) events.onMenu(keyOf(row), { x, y });
    });
    return () => {
      element.removeEventListener('contextmenu', openMenu);
      element.removeEventListener('focusin', noteFocus);
      endLongPress();
    };
  }, [list, events]);
}

const keyOf = (row: HTMLElement): string => row.dataset['key'] ?? '';
