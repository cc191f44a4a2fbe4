import { signal } from '@preact/signals';
import type { JSX } from 'preact';

const said = signal({ text: '', turn: 0 });

/** Have screen readers say something, politely, also what they said just before. */
export function announce(text: string): void {
  said.value = { text, turn: said.value.turn + 1 };
}

/** The voice of `announce`. One per page; two places take turns, so that the same text twice is a change. */
export function Announcer(): JSX.Element {
  const { text, turn } = said.value;
  return (
    <div class="visually-hidden">
      <p aria-live="polite">{turn % 2 === 0 ? text : ''}</p>
      <p aria-live="polite">{turn % 2 === 1 ? text : ''}</p>
    </div>
  );
}
