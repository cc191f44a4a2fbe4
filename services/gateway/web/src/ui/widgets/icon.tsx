import type { JSX } from 'preact';
import { ICONS, type IconName } from './icons';

/** A picture beside words, or inside a button that has a label: silent for screen readers. */
export function Icon({ name, size = 22 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}
