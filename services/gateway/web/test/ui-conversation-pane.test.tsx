import { afterEach, expect, test, vi } from 'vitest';
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { NoConversation } from '../src/ui/conversation/conversation';
import { FakeClient } from './support/fake-client';
import { after, button, click, only, showPane, textsOf } from './support/pane';
import { conversation, membersOf, message, run, WITH_BEN } from './support/samples';

afterEach(() => vi.useRealTimers());

test('an empty conversation invites to begin', async () => {
  const client = new FakeClient();
  client.show(WITH_BEN, run([]));
  const root = await showPane(client);
  expect(only(root, '.nothing-title').textContent).toBe('Say hello to Ben');
});

test('before the first page there are placeholders, and no word of emptiness', async () => {
  const root = await showPane(new FakeClient([conversation('ben', { lastSeq: 9 })]));
  expect(only(root, '.placeholders').getAttribute('aria-label')).toBe('Loading messages…');
  expect(root.querySelector('.nothing')).toBeNull();
});

test('where no conversation is chosen, one is asked for', async () => {
  const root = document.createElement('div');
  await act(() => render(<NoConversation />, root));
  expect(only(root, 'h2').textContent).toBe('Choose a conversation');
});

test('the list is a log that says nothing by itself, and can be scrolled with keys', async () => {
  const client = new FakeClient([conversation('ben', { lastSeq: 1 })]);
  client.show(WITH_BEN, run([message(1)]));
  const root = await showPane(client);
  const log = only(root, '[role=log]');
  expect(log.getAttribute('aria-live')).toBe('off');
  expect(log.getAttribute('aria-label')).toBe('Messages with Ben');
  expect(log.tabIndex).toBe(0);
  expect(log.getAttribute('aria-busy')).toBe('false');
  await after(() => client.setLoading(WITH_BEN, { older: true }));
  expect(log.getAttribute('aria-busy')).toBe('true');
});

test('messages that come are read out, history is not', async () => {
  const client = new FakeClient([conversation('ben', { lastSeq: 1 })]);
  client.announcement.value = { sender: 'Ben', content: 'of before', n: 1 };
  client.show(WITH_BEN, run([message(1)]));
  const root = await showPane(client);
  const said = (): string => textsOf(root, '[aria-live=polite]:not(.toasts)').join('');
  expect(said()).not.toContain('of before');
  await after(() => {
    client.announcement.value = { sender: 'Ben', content: 'Hello', n: 2 };
  });
  expect(said()).toBe('Ben: Hello');
});

test('who types is told by name, not oneself', async () => {
  const client = new FakeClient([conversation('ben', { members: membersOf('ann', 'ben', 'chloe', 'dora') })]);
  const root = await showPane(client);
  const typing = async (...users: string[]): Promise<string> => {
    await after(() => client.set({ typing: new Map([[WITH_BEN, new Map(users.map(user => [user, Infinity]))]]) }));
    return only(root, '.typing').textContent;
  };
  expect(await typing('ann')).toBe('');
  expect(await typing('ben')).toBe('Ben is typing');
  expect(only(root, '.conversation-presence').textContent).toBe('typing…');
  expect(await typing('ben', 'chloe', 'ann')).toBe('Ben and Chloe are typing');
  expect(await typing('ben', 'chloe', 'dora')).toBe('3 people are typing');
});

test.each([
  [{ status: 'online', lastSeen: null } as const, 'online'],
  [{ status: 'dnd', lastSeen: null } as const, 'do not disturb'],
  [{ status: 'offline', lastSeen: '2026-11-22T11:55:00.000Z' } as const, 'last seen 5 minutes ago'],
  [{ status: 'offline', lastSeen: '2026-11-22T11:59:50.000Z' } as const, 'last seen just now'],
])('the header says whether the peer is there (%o)', async (seen, words) => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-11-22T12:00:00.000Z') });
  const client = new FakeClient();
  client.set({ presence: new Map([['ben', seen]]) });
  const root = await showPane(client);
  expect(only(root, '.conversation-presence').textContent).toBe(words);
});

test('of whom nothing is known nothing is said', async () => {
  const client = new FakeClient();
  client.set({ presence: new Map([['ben', { status: 'offline', lastSeen: null }]]) });
  expect((await showPane(client)).querySelector('.conversation-presence')).toBeNull();
});

test('the menu of the conversation mutes, pins, archives and marks as read', async () => {
  const client = new FakeClient([conversation('ben', { lastSeq: 3, unread: 2, pinned: true })]);
  const root = await showPane(client);
  for (const item of ['Mark as read', 'Mute', 'Unpin', 'Archive']) {
    await click(button(root, 'Conversation options'));
    const items = [...root.querySelectorAll<HTMLElement>('[role=menuitem]')];
    await click(items.find(one => one.textContent === item) ?? root);
  }
  expect(client.markRead).toHaveBeenCalledWith(WITH_BEN);
  expect(client.keep.mock.calls.map(([, change]) => change)).toEqual([
    { muted: true },
    { pinned: false },
    { archived: true },
  ]);
});

test('blocking somebody is asked about before', async () => {
  const client = new FakeClient([conversation('ben', { lastSeq: 3 })]);
  const root = await showPane(client);
  await click(button(root, 'Conversation options'));
  await click(button(root, 'Block Ben'));
  expect(client.block).not.toHaveBeenCalled();
  await click(button(only(root, 'dialog'), 'Block Ben'));
  expect(client.block).toHaveBeenCalledWith('ben', true);
});
