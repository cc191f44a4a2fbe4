import { type ReadonlySignal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { firstRow } from './anchor';

const SHOWN_MS = 1_200;

interface Floating {
  /** The local day of the row at the top; empty before anybody scrolled. */
  readonly day: string;
  readonly isShown: boolean;
}

/** The day of what is at the top while people scroll, and the function that looks for it. */
export function useFloatingDay(): [ReadonlySignal<Floating>, (scroller: Element) => void] {
  const floating = useSignal<Floating>({ day: '', isShown: false });
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const look = (scroller: Element): void => {
    clearTimeout(timer.current);
    const days = scroller.querySelectorAll<HTMLElement>('[data-day]');
    const { top } = scroller.getBoundingClientRect();
    const below = firstRow(days, box => box.top >= top);
    const day = days[below - 1]?.dataset['day'] ?? '';
    // Not over a pill that is about to be there itself.
    const isRoom = (days[below]?.getBoundingClientRect().top ?? Infinity) > top + 40;
    const isShown = day !== '' && isRoom;
    const before = floating.peek();
    if (before.day !== day || before.isShown !== isShown) floating.value = { day: day || before.day, isShown };
    timer.current = setTimeout(() => {
      floating.value = { ...floating.peek(), isShown: false };
    }, SHOWN_MS);
  };
  return [floating, look];
}
