import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';
import { takesText } from '../screen';

/** Letters that are typed where nothing takes them go to where one writes. */
export function useKeysForBox(box: RefObject<HTMLTextAreaElement | null>): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      const isLetter = event.key.length === 1 && event.key !== ' ' && event.key !== '?';
      if (!isLetter || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.isComposing || event.defaultPrevented || takesText(event.target)) return;
      if (document.querySelector('dialog[open], [role=menu]')) return;
      box.current?.focus();
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, [box]);
}
