import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Message } from '../src/protocol';
import { FakeClient } from './support/fake-client';
import { layOut, scroll } from './support/layout';
import { after, only, showPane } from './support/pane';
import { conversation, message, outboxEntry, run, WITH_BEN } from './support/samples';

let isVisible = true;
let hasFocus = true;

beforeEach(() => {
  isVisible = true;
  hasFocus = true;
  vi.spyOn(document, 'visibilityState', 'get').mockImplementation(() => (isVisible ? 'visible' : 'hidden'));
  vi.spyOn(document, 'hasFocus').mockImplementation(() => hasFocus);
});
afterEach(() => vi.restoreAllMocks());

const messages = (count: number, from = 1): Message[] => Array.from({ length: count }, (_, i) => message(from + i));

/** A conversation with so many messages, of which ten are on the screen (with the pill of their day: nine). */
function withMessages(count: number): FakeClient {
  const client = new FakeClient([conversation('ben', { lastSeq: count })]);
  client.show(WITH_BEN, run(messages(count)));
  return client;
}

const lastShown = (client: FakeClient): number | undefined => client.shown.mock.lastCall?.[1];

test('what is on the screen is shown: up to the last message whose end can be seen', async () => {
  layOut();
  const client = withMessages(30);
  client.dividerSeq.value = 11;
  const root = await showPane(client);
  // The divider is row 11 (the day is row 0), 64 px from the top: message 18 ends at 64 + 40 * 9 = 424, out of sight.
  expect(lastShown(client)).toBe(17);
  await after(() => scroll(only(root, '.scroller'), 12 * 40));
  expect(lastShown(client)).toBe(20);
});

test('a message whose end is below the edge was not shown', async () => {
  layOut();
  const client = withMessages(30);
  const root = await showPane(client);
  // Message n is row n: with 12 rows above, message 21 ends at the edge.
  for (const [top, last] of [
    [12 * 40, 21],
    [12 * 40 - 10, 20],
    [11 * 40, 20],
    [11 * 40 - 10, 19],
  ] as const) {
    await after(() => scroll(only(root, '.scroller'), top));
    expect(lastShown(client)).toBe(last);
  }
});

test.each(['hidden', 'without the focus'])(
  'nothing counts as shown while the tab is %s, and does at once after',
  async how => {
    layOut();
    isVisible = how !== 'hidden';
    hasFocus = how !== 'without the focus';
    const client = withMessages(5);
    await showPane(client);
    expect(client.shown).not.toHaveBeenCalled();
    isVisible = hasFocus = true;
    await after(() => {
      if (how === 'hidden') document.dispatchEvent(new Event('visibilitychange'));
      else dispatchEvent(new Event('focus'));
    });
    expect(lastShown(client)).toBe(5);
  },
);

test('what comes while the newest message is on the screen is shown', async () => {
  layOut();
  const client = withMessages(30);
  await showPane(client);
  await after(() => {
    client.put(conversation('ben', { lastSeq: 31 }));
    client.show(WITH_BEN, run(messages(31)));
  });
  expect(lastShown(client)).toBe(31);
});

test('what comes while older messages are on the screen is not', async () => {
  layOut();
  const client = withMessages(30);
  const root = await showPane(client);
  await after(() => scroll(only(root, '.scroller'), 5 * 40));
  client.shown.mockClear();
  await after(() => {
    client.put(conversation('ben', { lastSeq: 31, unread: 1 }));
    client.show(WITH_BEN, run(messages(31)));
  });
  expect(lastShown(client)).toBe(14);
  expect(only(root, '.jump').getAttribute('aria-label')).toBe('1 new message. Go to the latest message');
});

test('what waits in this browser has no number, and the message before it was shown', async () => {
  layOut();
  const client = withMessages(5);
  client.outbox.value = [outboxEntry(1)];
  await showPane(client);
  expect(lastShown(client)).toBe(5);
});

test('what stands above a hole is not shown before the hole is filled', async () => {
  layOut();
  const client = withMessages(5);
  client.set({ heldBack: new Map([[WITH_BEN, [message(8)]]]) });
  const root = await showPane(client);
  expect(root.querySelectorAll('.message')).toHaveLength(6);
  expect(lastShown(client)).toBe(5);
});

test('nothing is shown before the first page is there', async () => {
  layOut();
  const client = new FakeClient([conversation('ben', { lastSeq: 30, unread: 10, firstUnreadSeq: 21 })]);
  client.dividerSeq.value = 21;
  client.show(WITH_BEN, run(messages(5, 26), { reachesStart: false })); // kept from before, without the unread ones
  client.setLoading(WITH_BEN, { place: true });
  await showPane(client);
  expect(client.shown).not.toHaveBeenCalled();
  await after(() => {
    client.show(WITH_BEN, run(messages(20, 11), { reachesStart: false }));
    client.setLoading(WITH_BEN, { place: false });
  });
  expect(lastShown(client)).toBe(27);
});
