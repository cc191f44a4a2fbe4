import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Conversation } from '../src/state/model';
import * as format from '../src/text/format';
import { lastWaiting, matching, ordered } from '../src/ui/list/order';
import { FakeClient } from './support/fake-client';
import { after, button, click, only, press, textsOf } from './support/pane';
import { conversation, member, membersOf, message, outboxEntry } from './support/samples';
import { showShell } from './support/shell';

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-11-22T20:00:00.000Z'), toFake: ['Date'] }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** A conversation whose last message is from this hour of the day. */
function talk(peer: string, hour: number, more: Partial<Conversation> = {}): Conversation {
  const sent = `2026-11-22T${String(hour).padStart(2, '0')}:00:00.000Z`;
  const last = message(5, {
    conversation_id: `dk-${peer}`,
    sender: peer,
    content: `${peer} says hello`,
    sent_at: sent,
  });
  return conversation(peer, { lastSeq: 5, lastMessage: last, ...more });
}

const own = (content: string) => message(5, { sender: 'ann', content });
const rowOf = (root: ParentNode, id: string): HTMLElement => only(root, `a[data-id="${id}"]`);
const previewOf = (root: ParentNode, id: string): string => only(rowOf(root, id), '.row-preview').textContent;
const titles = (root: ParentNode): string[] => textsOf(root, 'a.row .row-title');

test('pinned conversations come first, then the newest', async () => {
  const root = await showShell(new FakeClient([talk('ben', 10), talk('cy', 12), talk('di', 8, { pinned: true })]));
  expect(titles(root)).toEqual(['Di', 'Cy', 'Ben']);
});

test('a message that waits here moves its conversation up', () => {
  const waiting = lastWaiting([outboxEntry(1, { createdAt: '2026-11-22T19:00:00.000Z' })]);
  expect(ordered([talk('cy', 12), talk('ben', 10)], waiting, false).map(({ id }) => id)).toEqual(['dk-ben', 'dk-cy']);
});

test('a conversation that was just begun is on top', () => {
  const begun = conversation('new');
  expect(ordered([talk('ben', 10), begun], new Map(), false)[0]).toBe(begun);
});

test.each([
  ['be', true],
  ['okafor b', true],
  ['@ben', true],
  ['BÉN', true],
  ['kafor', false],
  ['ben x', false],
])('%s finds Bén Okafor: %s', (text, isFound) => {
  const ben = conversation('ben', { title: 'Bén Okafor' });
  expect(matching([ben], text)).toEqual(isFound ? [ben] : []);
});

test('a row says what was said last, when, and how much is unread', async () => {
  const root = await showShell(new FakeClient([talk('ben', 10, { unread: 120, muted: true })]));
  const row = rowOf(root, 'dk-ben');
  expect(previewOf(root, 'dk-ben')).toBe('ben says hello');
  expect(only(row, 'time').getAttribute('datetime')).toBe('2026-11-22T10:00:00.000Z');
  expect(only(row, '.badge [aria-hidden]').textContent).toBe('99+');
  expect(row.textContent).toContain('120 unread messages');
  expect(row.textContent).toContain('Muted');
  expect(row.getAttribute('href')).toBe('/c/dk-ben');
});

test.each([
  [{}, 'Sent'],
  [{ deliveredSeq: 5 }, 'Delivered'],
  [{ deliveredSeq: 5, readSeq: 5 }, 'Read'],
])('the own last message has its tick: %o is %s', async (ben, state) => {
  const members = membersOf('ann', member('ben', ben));
  const root = await showShell(new FakeClient([talk('ben', 10, { lastMessage: own('see you'), members })]));
  expect(only(rowOf(root, 'dk-ben'), '.row-you').textContent).toBe('You:');
  expect(previewOf(root, 'dk-ben')).toBe('see you');
  expect(only(rowOf(root, 'dk-ben'), '.tick').getAttribute('aria-label')).toBe(state);
});

test.each([
  ['queued', 'Waiting to be sent'],
  ['failed', 'Not sent'],
] as const)('a message that waits here is what was said last: %s', async (state, label) => {
  const client = new FakeClient([talk('ben', 10)]);
  client.outbox.value = [outboxEntry(1, { state, content: 'on the train', createdAt: '2026-11-22T19:00:00.000Z' })];
  const root = await showShell(client);
  expect(previewOf(root, 'dk-ben')).toBe('on the train');
  expect(only(rowOf(root, 'dk-ben'), '.tick').getAttribute('aria-label')).toBe(label);
});

test('a draft stands in for the last message, unless its conversation is open', async () => {
  const client = new FakeClient([talk('ben', 10, { draft: 'Dear Ben' })]);
  const root = await showShell(client);
  expect(only(rowOf(root, 'dk-ben'), '.row-draft').textContent).toBe('Draft:');
  expect(previewOf(root, 'dk-ben')).toBe('Dear Ben');
  await after(() => (client.openId.value = 'dk-ben'));
  expect(previewOf(root, 'dk-ben')).toBe('ben says hello');
});

test('who types stands in for everything', async () => {
  const client = new FakeClient([talk('ben', 10, { draft: 'Dear Ben' })]);
  const root = await showShell(client);
  await after(() => client.set({ typing: new Map([['dk-ben', new Map([['ben', Date.now() + 7_000]])]]) }));
  expect(previewOf(root, 'dk-ben')).toBe('typing…');
});

test('presence is a dot and a word', async () => {
  const client = new FakeClient([talk('ben', 10)]);
  client.set({ presence: new Map([['ben', { status: 'dnd', lastSeen: null }]]) });
  const root = await showShell(client);
  expect(rowOf(root, 'dk-ben').querySelector('.presence-dnd')).not.toBeNull();
  expect(rowOf(root, 'dk-ben').textContent).toContain('do not disturb');
});

test('text of all scripts finds its own direction', async () => {
  const root = await showShell(new FakeClient([talk('ben', 10, { title: 'عمر' })]));
  const parts = ['.row-title', '.row-preview'].map(part => only(rowOf(root, 'dk-ben'), part).getAttribute('dir'));
  expect(parts).toEqual(['auto', 'auto']);
});

test('the open conversation is the current page', async () => {
  const root = await showShell(new FakeClient([talk('ben', 10), talk('cy', 12)]), '/c/dk-ben');
  expect(only(root, 'a.row[aria-current=page]')).toBe(rowOf(root, 'dk-ben'));
});

test('of many rows only the one that changed is rendered', async () => {
  const client = new FakeClient(Array.from({ length: 50 }, (_, index) => talk(`p${index}`, index % 20)));
  const root = await showShell(client);
  const listTime = vi.spyOn(format, 'listTime');
  await after(() => client.put(talk('p7', 7, { unread: 1 })));
  expect(rowOf(root, 'dk-p7').querySelector('.badge')).not.toBeNull();
  expect(listTime).toHaveBeenCalledTimes(1);
});

test('Tab stops once in the list; arrows, Home and End move in it', async () => {
  const root = await showShell(new FakeClient([talk('ben', 10), talk('cy', 9), talk('di', 8)]));
  const [ben, cy, di] = ['dk-ben', 'dk-cy', 'dk-di'].map(id => rowOf(root, id));
  expect(root.querySelectorAll('a.row[tabindex="0"]')).toHaveLength(1);
  await after(() => ben?.focus());
  for (const [key, to] of [
    ['ArrowDown', cy],
    ['ArrowDown', di],
    ['ArrowDown', di],
    ['ArrowUp', cy],
    ['Home', ben],
    ['End', di],
  ] as const) {
    await press(document.activeElement ?? root, key);
    expect(document.activeElement).toBe(to);
  }
  expect(only(root, 'a.row[tabindex="0"]')).toBe(di);
});

async function openMenu(root: ParentNode, id: string): Promise<void> {
  const menu = new MouseEvent('contextmenu', { bubbles: true, cancelable: true });
  await after(() => void rowOf(root, id).dispatchEvent(menu));
  expect(menu.defaultPrevented).toBe(true);
}

test('the menu of a row pins, mutes, archives and marks as read', async () => {
  const client = new FakeClient([talk('ben', 10, { unread: 2 })]);
  const root = await showShell(client);
  for (const name of ['Pin to the top', 'Mute', 'Archive', 'Mark as read']) {
    await openMenu(root, 'dk-ben');
    await click(button(root, name));
  }
  expect(client.keep.mock.calls).toEqual([
    ['dk-ben', { pinned: true }],
    ['dk-ben', { muted: true }],
    ['dk-ben', { archived: true }],
  ]);
  expect(client.markRead).toHaveBeenCalledWith('dk-ben');
});

test('archiving can be undone', async () => {
  const client = new FakeClient([talk('ben', 10)]);
  const root = await showShell(client);
  await openMenu(root, 'dk-ben');
  await click(button(root, 'Archive'));
  await click(button(root, 'Undo'));
  expect(client.keep).toHaveBeenLastCalledWith('dk-ben', { archived: false });
});

test('what did not work is told', async () => {
  const client = new FakeClient([talk('ben', 10)]);
  client.keep.mockRejectedValue(new Error('no'));
  const root = await showShell(client);
  await openMenu(root, 'dk-ben');
  await click(button(root, 'Mute'));
  expect(textsOf(root, '.toast-text')).toContain('That did not work. Please try again.');
});

test('a menu takes the focus, and Esc gives it back', async () => {
  const root = await showShell(new FakeClient([talk('ben', 10)]));
  await after(() => rowOf(root, 'dk-ben').focus());
  await openMenu(root, 'dk-ben');
  expect(document.activeElement).toBe(button(root, 'Pin to the top'));
  await press(button(root, 'Pin to the top'), 'ArrowUp');
  expect(document.activeElement).toBe(button(root, 'Archive'));
  await press(button(root, 'Archive'), 'm');
  expect(document.activeElement).toBe(button(root, 'Mute'));
  await press(button(root, 'Mute'), 'Escape');
  expect(root.querySelector('[role=menu]')).toBeNull();
  expect(document.activeElement).toBe(rowOf(root, 'dk-ben'));
});

test('archived conversations are behind a row', async () => {
  const client = new FakeClient([talk('ben', 10), talk('cy', 12, { archived: true })]);
  const root = await showShell(client);
  expect(client.loadArchived).toHaveBeenCalledOnce();
  expect(titles(root)).toEqual(['Ben']);
  await click(only(root, '.row-folder'));
  expect(titles(root)).toEqual(['Cy']);
  await click(only(root, '.row-folder'));
  expect(titles(root)).toEqual(['Ben']);
});

test('before the list is read there are placeholders, and nobody is told that it is empty', async () => {
  const client = new FakeClient([]);
  client.list.value = { isReady: false, hasMore: false, isLoading: true };
  const root = await showShell(client);
  expect(root.querySelectorAll('.skeleton-row').length).toBeGreaterThan(3);
  expect(root.textContent).not.toContain('No chats yet');
  await after(() => (client.list.value = { isReady: true, hasMore: false, isLoading: false }));
  expect(root.textContent).toContain('No chats yet');
});

test('who has no conversations is led to the search of people', async () => {
  const root = await showShell(new FakeClient([]));
  await click(button(root, 'Find people'));
  expect(document.activeElement).toBe(only(root, '#search'));
});

test('near its end the list loads more, once', async () => {
  const client = new FakeClient([talk('ben', 10)]);
  client.list.value = { isReady: true, hasMore: true, isLoading: false };
  client.loadMoreConversations.mockReturnValue(new Promise(() => {}));
  const root = await showShell(client);
  await after(() => void only(root, '.list-scroller').dispatchEvent(new Event('scroll')));
  expect(client.loadMoreConversations).toHaveBeenCalledOnce();
});
