/** Which page is shown. Every page has an address and an entry in the browser's history. */

import { type ReadonlySignal, signal } from '@preact/signals';
import type { ConversationId } from '../protocol';

export const SECTIONS = ['profile', 'privacy', 'appearance', 'password', 'sessions'] as const;
export type Section = (typeof SECTIONS)[number];

export type Route =
  | { readonly page: 'list' }
  | { readonly page: 'conversation'; readonly id: ConversationId }
  /** `section` null: the list of them, which wide windows show beside the first. */
  | { readonly page: 'settings'; readonly section: Section | null };

/** What an entry of the history remembers: whether the page it leads up to is the entry before it. */
interface Entry {
  readonly isBelowParent?: boolean;
}

export const LIST: Route = { page: 'list' };
const current = signal<Route>(LIST);
/** Where the settings were opened: closing them comes back to it. */
let beforeSettings: Route = LIST;
export const route: ReadonlySignal<Route> = current;

/** The page of a path; the list for any that is none. */
export function routeOf(path: string): Route {
  const [first = '', second = '', ...rest] = path.split('/').slice(1);
  if (rest.length > 0) return LIST;
  if (first === 'c' && second !== '') {
    const id = decoded(second);
    return id === null ? LIST : { page: 'conversation', id };
  }
  if (first === 'settings') {
    if (second === '') return { page: 'settings', section: null };
    const section = SECTIONS.find(one => one === second);
    if (section) return { page: 'settings', section };
  }
  return LIST;
}

export function pathOf(to: Route): string {
  if (to.page === 'conversation') return `/c/${encodeURIComponent(to.id)}`;
  if (to.page === 'settings') return to.section ? `/settings/${to.section}` : '/settings';
  return '/';
}

/** Show a page. `replaces`: instead of the present one, which Back then does not come to. */
export function navigate(to: Route, options: { replaces?: boolean } = {}): void {
  const path = pathOf(to);
  const from = current.peek();
  if (to.page === 'settings' && from.page !== 'settings') beforeSettings = from;
  const isSame = path === location.pathname;
  const parent = parentOf(to);
  const isBelowParent = parent !== null && pathOf(parent) === location.pathname;
  if (options.replaces || isSame) history.replaceState(isSame ? history.state : null, '', path);
  else history.pushState({ isBelowParent } satisfies Entry, '', path);
  if (pathOf(from) !== path) current.value = to;
}

/** Show the page above this one: by going back where it is the one before, so that Back does not return here. */
export function goUp(): void {
  const parent = parentOf(current.peek());
  if (!parent) return;
  const entry = history.state as Entry | null;
  if (entry?.isBelowParent) history.back();
  else navigate(parent, { replaces: true });
}

/** Close the settings, whichever part of them is shown. */
export function leaveSettings(): void {
  const at = current.peek();
  if (at.page === 'settings' && at.section) navigate(beforeSettings);
  else goUp();
}

function parentOf(of: Route): Route | null {
  if (of.page === 'list') return null;
  if (of.page === 'conversation') return LIST;
  return of.section ? { page: 'settings', section: null } : beforeSettings;
}

/** Follow the address of the window, and clicks on links to pages. Returns what ends it. */
export function startRouter(): () => void {
  const follow = (): void => {
    current.value = routeOf(location.pathname);
  };
  follow();
  const path = pathOf(current.peek());
  if (path !== location.pathname) history.replaceState(null, '', path);
  addEventListener('popstate', follow);
  document.addEventListener('click', onClick);
  return () => {
    removeEventListener('popstate', follow);
    document.removeEventListener('click', onClick);
  };
}

function onClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  const to = routeOf(link.pathname);
  if (pathOf(to) !== link.pathname) return;
  event.preventDefault();
  navigate(to);
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
