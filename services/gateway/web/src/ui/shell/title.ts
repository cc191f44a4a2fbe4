import { effect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Client } from '../../app/client';
import { catalogue } from '../../i18n/language';
import { totalUnread } from '../../state/select';
import { useClient } from '../context';
import { countsUnread } from '../preferences';
import { route } from '../router';

/** The parts of the Badging API that are used here; not all browsers have it. */
interface Badging {
  setAppBadge?(count: number): Promise<void>;
  clearAppBadge?(): Promise<void>;
}

const MOST = 99;

/** Keeps the title of the window, "(3) Ben · Parley", and the badge on the app's icon up to date. */
export function useTitle(): void {
  const client = useClient();
  useEffect(() => {
    const endTitle = effect(() => {
      document.title = titleOf(client);
    });
    const endBadge = effect(() => showBadge(unreadOf(client)));
    return () => {
      endTitle();
      endBadge();
      showBadge(0);
    };
  }, [client]);
}

function titleOf(client: Client): string {
  const words = catalogue.value;
  const unread = unreadOf(client);
  const count = unread === 0 ? '' : `(${words.list.badge(unread)}) `;
  return count + [pageTitle(client), words.common.appName].filter(Boolean).join(' · ');
}

function pageTitle(client: Client): string {
  const at = route.value;
  const { settings } = catalogue.value;
  if (at.page === 'conversation') return client.state.value.conversations.get(at.id)?.title ?? '';
  if (at.page === 'settings') return at.section ? settings.sections[at.section] : settings.title;
  return '';
}

function unreadOf(client: Client): number {
  return countsUnread.value === 'yes' ? totalUnread(client.state.value) : 0;
}

function showBadge(count: number): void {
  const badging: Badging = navigator;
  const done = count > 0 ? badging.setAppBadge?.(Math.min(count, MOST)) : badging.clearAppBadge?.();
  done?.catch(() => undefined); // not installed, or not allowed: the title says it too
}
