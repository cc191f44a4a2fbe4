import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { countsUnread } from '../src/ui/preferences';
import { FakeClient } from './support/fake-client';
import { after, button, click, only, press, textsOf, write } from './support/pane';
import { conversation, message } from './support/samples';
import { fetched, showShell } from './support/shell';

const narrow = vi.hoisted(() => ({ isNarrow: { value: false, peek: (): boolean => false } }));

vi.mock('../src/ui/screen', async original => ({ ...(await original<object>()), ...narrow }));

beforeEach(() => {
  narrow.isNarrow.value = false;
  narrow.isNarrow.peek = () => narrow.isNarrow.value;
});
afterEach(() => {
  countsUnread.value = 'yes';
  vi.unstubAllGlobals();
});

function threeChats(): FakeClient {
  return new FakeClient(
    ['ben', 'cy', 'di'].map((peer, at) =>
      conversation(peer, { lastSeq: 1, lastMessage: message(1, { sent_at: `2026-11-2${9 - at}T10:00:00.000Z` }) }),
    ),
  );
}

const dialogs = (root: ParentNode): string[] => textsOf(root, 'dialog h2');

test('Ctrl+K, or ⌘K, opens the switcher, also from a field', async () => {
  const root = await showShell(threeChats());
  for (const modifier of [{ ctrlKey: true }, { metaKey: true }]) {
    const event = await press(only(root, '#search'), 'k', modifier);
    expect(event.defaultPrevented).toBe(true);
    await fetched();
    expect(dialogs(root)).toEqual(['Go to a chat']);
    await press(only(root, 'dialog input'), 'k', modifier);
    expect(dialogs(root)).toEqual([]);
  }
});

test('the switcher goes to a conversation by keys alone', async () => {
  const root = await showShell(threeChats());
  await press(root, 'k', { ctrlKey: true });
  await fetched();
  const box = only<HTMLInputElement>(root, '[role=combobox]');
  const active = (): string =>
    document.getElementById(box.getAttribute('aria-activedescendant') ?? '')?.textContent ?? '';
  expect(active()).toContain('Ben');
  await press(box, 'ArrowDown');
  expect(active()).toContain('Cy');
  await press(box, 'ArrowUp');
  await press(box, 'ArrowUp');
  expect(active()).toContain('Di');
  await write(box, 'cy');
  expect(active()).toContain('Cy');
  await press(box, 'Enter');
  expect(dialogs(root)).toEqual([]);
  expect(location.pathname).toBe('/c/dk-cy');
});

test('the switcher begins a conversation with somebody new', async () => {
  const client = threeChats();
  client.searchPeople.mockResolvedValue([{ username: 'zoe', display_name: 'Zoe' }]);
  const root = await showShell(client);
  await press(root, 'k', { ctrlKey: true });
  await fetched();
  await write(only<HTMLInputElement>(root, '[role=combobox]'), 'zoe');
  await vi.waitFor(() => expect(only(root, '[role=option]').textContent).toContain('Zoe'));
  await press(only(root, '[role=combobox]'), 'Enter');
  expect(client.begin).toHaveBeenCalledWith('zoe');
  await vi.waitFor(() => expect(location.pathname).toBe('/c/dk-zoe'));
});

test('? shows the keys, unless one types', async () => {
  const root = await showShell(threeChats());
  await press(only(root, '#search'), '?');
  expect(dialogs(root)).toEqual([]);
  await press(root, '?');
  await fetched();
  expect(dialogs(root)).toEqual(['Keyboard shortcuts']);
  expect(root.querySelectorAll('dialog kbd').length).toBeGreaterThan(8);
  await click(button(only(root, 'dialog'), 'Close'));
  expect(dialogs(root)).toEqual([]);
});

test('Alt+↓ and Alt+↑ go through the conversations, and stop at the ends', async () => {
  const root = await showShell(threeChats());
  const paths: string[] = [];
  for (const key of ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp']) {
    await press(root, key, { altKey: true });
    paths.push(location.pathname);
  }
  expect(paths).toEqual(['/c/dk-ben', '/c/dk-cy', '/c/dk-di', '/c/dk-di', '/c/dk-cy']);
});

test('a key that somebody used does nothing more', async () => {
  const root = await showShell(threeChats());
  const use = (event: Event): void => event.preventDefault();
  root.addEventListener('keydown', use);
  await press(root, '?');
  await fetched();
  expect(dialogs(root)).toEqual([]);
});

test('Esc closes the settings, in a wide window back to where they were opened', async () => {
  const root = await showShell(threeChats(), '/c/dk-ben');
  await click(only(root, '.own-link'));
  await fetched();
  await click(only(root, 'a[href="/settings/privacy"]'));
  await press(root, 'Escape');
  expect(location.pathname).toBe('/c/dk-ben');
});

test('Esc leaves a conversation only where it covers the list', async () => {
  const root = await showShell(threeChats(), '/c/dk-ben');
  await press(root, 'Escape');
  expect(location.pathname).toBe('/c/dk-ben');
  narrow.isNarrow.value = true;
  await press(root, 'Escape');
  expect(location.pathname).toBe('/');
});

test('the open conversation follows the address', async () => {
  const client = threeChats();
  const root = await showShell(client, '/c/dk-ben');
  expect(client.open).toHaveBeenLastCalledWith('dk-ben');
  await click(only(root, 'a[data-id="dk-cy"]'));
  expect(client.open).toHaveBeenLastCalledWith('dk-cy');
  await click(only(root, '.own-link'));
  await fetched();
  expect(client.openId.value).toBeNull();
});

test('where only one pane fits, the other one is out of reach', async () => {
  narrow.isNarrow.value = true;
  const root = await showShell(threeChats());
  expect([only(root, '.pane-side'), only(root, '.pane-main')].map(pane => pane.inert)).toEqual([false, true]);
  expect(only(root, '.pane-side').getAttribute('role')).toBe('main');
  await press(root, 'ArrowDown', { altKey: true });
  expect([only(root, '.pane-side'), only(root, '.pane-main')].map(pane => pane.inert)).toEqual([true, false]);
});

test('back on the list, the focus is on the row one came from', async () => {
  narrow.isNarrow.value = true;
  const root = await showShell(threeChats());
  await press(root, 'ArrowDown', { altKey: true });
  await press(root, 'ArrowDown', { altKey: true });
  await press(root, 'Escape');
  expect(document.activeElement).toBe(only(root, 'a[data-id="dk-cy"]'));
});

test('a page of its own takes the focus to its heading', async () => {
  const root = await showShell(threeChats());
  await click(only(root, '.own-link'));
  await fetched();
  expect(document.activeElement).toBe(only(root, '.settings h1'));
});

test('the link at the beginning leads to where one writes', async () => {
  const root = await showShell(threeChats(), '/c/dk-ben');
  await click(only(root, '.skip-link'));
  expect(document.activeElement).toBe(only(root, '#main textarea'));
});

test.each([
  ['/', '(5) Parley'],
  ['/c/dk-ben', '(5) Ben · Parley'],
  ['/settings', '(5) Settings · Parley'],
  ['/settings/sessions', '(5) Devices · Parley'],
])('the title of %s is %s', async (path, title) => {
  const client = new FakeClient([
    conversation('ben', { unread: 5 }),
    conversation('cy', { unread: 7, muted: true }),
    conversation('di', { unread: 9, archived: true }),
  ]);
  await showShell(client, path);
  expect(document.title).toBe(title);
});

test('title and badge follow what is unread, if that is wanted', async () => {
  const badges: number[] = [];
  const badging = {
    setAppBadge: async (count: number) => void badges.push(count),
    clearAppBadge: async () => void badges.push(0),
  };
  vi.stubGlobal('navigator', Object.assign(Object.create(navigator) as object, badging));
  const client = new FakeClient([conversation('ben', { unread: 120 })]);
  await showShell(client);
  expect(document.title).toBe('(99+) Parley');
  await after(() => client.put(conversation('ben', { unread: 2 })));
  expect(document.title).toBe('(2) Parley');
  await after(() => (countsUnread.value = 'no'));
  expect(document.title).toBe('Parley');
  expect(badges).toEqual([99, 2, 0]);
});
