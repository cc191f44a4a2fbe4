import { type Signal, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Client } from '../../app/client';
import { useClient } from '../context';
import { lastWaiting, ordered } from '../list/order';
import { query } from '../list/search';
import { goUp, leaveSettings, navigate, route } from '../router';
import { isNarrow, takesText } from '../screen';

export type OpenDialog = 'switcher' | 'help' | null;

/** The dialog that keys open. */
export const openDialog: Signal<OpenDialog> = signal(null);

/**
 * Hears the keys that work everywhere. Whoever uses a key before (a dialog, the reply bar, the search box) prevents its
 * default, and it is not used again here.
 */
export function useShortcuts(): void {
  const client = useClient();
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.isComposing) return;
      if (act(event, client)) event.preventDefault();
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, [client]);
}

/** Does what a key says; false where it says nothing. */
function act(event: KeyboardEvent, client: Client): boolean {
  const hasControl = event.ctrlKey || event.metaKey;
  if (hasControl && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'k') {
    openDialog.value = openDialog.value === 'switcher' ? null : 'switcher';
    return true;
  }
  if (document.querySelector('dialog[open]')) return false;
  if (event.altKey && !hasControl && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
    return step(client, event.key === 'ArrowUp' ? -1 : 1);
  }
  if (event.key === '?' && !hasControl && !takesText(event.target)) {
    openDialog.value = 'help';
    return true;
  }
  return event.key === 'Escape' && closeSomething();
}

function closeSomething(): boolean {
  if (query.value !== '') {
    query.value = '';
    return true;
  }
  const { page } = route.value;
  if (page === 'settings' && !isNarrow.value) leaveSettings();
  else if (page !== 'list' && isNarrow.value) goUp();
  else return false;
  return true;
}

/** Opens the conversation before or after the present one in the list. */
function step(client: Client, by: 1 | -1): boolean {
  const waiting = lastWaiting(client.outbox.value);
  const list = ordered(client.state.value.conversations.values(), waiting, false);
  const at = list.findIndex(({ id }) => id === client.openId.value);
  const next = at < 0 ? list.at(by < 0 ? -1 : 0) : list[at + by];
  if (next) navigate({ page: 'conversation', id: next.id });
  return true;
}
