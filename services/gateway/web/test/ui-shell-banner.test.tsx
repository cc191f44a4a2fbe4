import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { en } from '../src/i18n/en';
import type { Connection } from '../src/link/transport';
import { noticeOf } from '../src/ui/shell/notice';
import { FakeClient } from './support/fake-client';
import { after, button, click, only, textsOf } from './support/pane';
import { outboxEntry } from './support/samples';
import { showShell } from './support/shell';

beforeEach(() => void vi.useFakeTimers({ now: 0, toFake: ['Date', 'setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

const lost: Connection = { state: 'connecting', tries: 2, sinceMs: 0, retryAtMs: 3_000 };
const stopped = (why: 'signed-out' | 'taken-over' | 'refused' | 'outdated', reason = ''): Connection => ({
  state: 'stopped',
  why,
  reason,
});

test.each<[Connection, number, string | null, string | null]>([
  [{ state: 'online' }, 3, null, null],
  [{ state: 'connecting', tries: 0, sinceMs: 0, retryAtMs: 0 }, 0, 'Connecting…', null],
  [lost, 0, 'No connection.', 'tryNow'],
  [lost, 2, 'No connection. 2 messages will be sent when you are back.', 'tryNow'],
  [{ state: 'offline', sinceMs: 0 }, 1, 'You are offline. 1 message will be sent when you are back.', null],
  [{ state: 'polling' }, 4, 'Connected without a live socket: a little slower.', null],
  [stopped('taken-over'), 0, 'Parley was opened elsewhere in this browser, and went on there.', 'useHere'],
  [stopped('outdated'), 0, 'This page is too old for the server.', 'reload'],
  [stopped('signed-out'), 0, 'You are signed out.', null],
  [stopped('refused', 'Too many.'), 0, 'The server refused the connection. Too many.', 'tryNow'],
])('%o with %i waiting says %s', (connection, waiting, text, action) => {
  const notice = noticeOf(connection, waiting, true, en.connection);
  expect(notice && [notice.text, notice.detail].filter(Boolean).join(' ')).toBe(text);
  expect(notice?.action ?? null).toBe(action);
});

test('a browser that keeps nothing is no place to leave what waits', () => {
  const notice = noticeOf({ state: 'offline', sinceMs: 0 }, 1, false, en.connection);
  expect(notice?.detail).toBe(`${en.connection.waiting(1)} ${en.connection.notDurable}`);
});

async function showTrouble(connection: Connection): Promise<{ root: HTMLElement; client: FakeClient }> {
  const client = new FakeClient();
  client.connection.value = connection;
  client.isTroubled.value = true;
  return { root: await showShell(client), client };
}

test('the banner waits until the trouble has lasted', async () => {
  const client = new FakeClient();
  client.connection.value = lost;
  const root = await showShell(client);
  expect(root.querySelector('.banner')).toBeNull();
  await after(() => (client.isTroubled.value = true));
  expect(only(root, '.banner').textContent).toContain('No connection.');
});

test('the countdown is seen, and not read out', async () => {
  const { root } = await showTrouble(lost);
  const status = only(root, '.banner [role=status]');
  const read = status.textContent;
  expect(only(root, '.banner-countdown').textContent).toBe('Trying again in 3 seconds.');
  await after(() => void vi.advanceTimersByTime(1_000));
  expect(only(root, '.banner-countdown').textContent).toBe('Trying again in 2 seconds.');
  expect(status.textContent).toBe(read);
  expect(only(root, '.banner-countdown').closest('[role=status]')).toBeNull();
  await after(() => void vi.advanceTimersByTime(2_000));
  expect(root.querySelector('.banner-countdown')).toBeNull();
});

test('only what still goes out by itself counts as waiting', async () => {
  const { root, client } = await showTrouble({ state: 'offline', sinceMs: 0 });
  const states = ['queued', 'queued', 'accepted', 'failed'] as const;
  await after(() => (client.outbox.value = states.map((state, at) => outboxEntry(at, { state }))));
  expect(only(root, '.banner').textContent).toContain('2 messages will be sent');
});

test('one can try now', async () => {
  const { root, client } = await showTrouble(lost);
  await click(button(root, 'Try now'));
  expect(client.reconnect).toHaveBeenCalledOnce();
});

test('a page that is too old becomes the new one', async () => {
  const { root, client } = await showTrouble(stopped('outdated'));
  const update = vi.fn<() => void>();
  await after(() => (client.update.value = update));
  await click(only(root, '.banner-action'));
  expect(update).toHaveBeenCalledOnce();
});

test('a new version is offered until it is taken', async () => {
  const client = new FakeClient();
  const root = await showShell(client);
  const update = vi.fn<() => void>();
  await after(() => (client.update.value = update));
  expect(textsOf(root, '.toast-text')).toEqual(['A new version of Parley is ready.']);
  await click(button(root, 'Reload'));
  expect(update).toHaveBeenCalledOnce();
});
