import type { JSX } from 'preact';
import { useWords } from '../words';

export type TickState = 'queued' | 'sent' | 'delivered' | 'read' | 'failed';

const SHAPES: Readonly<Record<TickState, string>> = {
  queued: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zM8 5v3.2l2.1 1.3',
  sent: 'M3 8.5l3.2 3.2L13 4.5',
  delivered: 'M.8 8.5L4 11.7l6.5-7.2M7.2 11.1l.6.6l6.7-7.2',
  read: 'M.8 7L4 10.2L10.5 3M7.2 9.6l.6.6L14.5 3M2.5 14h11',
  failed: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zM8 5v3.5M8 10.8v.1',
};

/** How far an own message is: by shape, by colour, and by name ("Delivered", or `label`: "Delivered 14:02"). */
export function Tick({ state, label }: { state: TickState; label?: string }): JSX.Element {
  const words = useWords();
  return (
    <svg class={`tick tick-${state}`} viewBox="0 0 16 16" role="img" aria-label={label ?? words.status[state]}>
      <path d={SHAPES[state]} />
    </svg>
  );
}
