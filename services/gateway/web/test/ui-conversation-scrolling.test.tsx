import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Message } from '../src/protocol';
import type { Run } from '../src/state/model';
import { capture } from '../src/ui/conversation/anchor';
import { FakeClient } from './support/fake-client';
import { layOut, scroll } from './support/layout';
import { after, button, click, only, press, showPane } from './support/pane';
import { conversation, message, outboxEntry, run, WITH_BEN } from './support/samples';

beforeEach(() => void layOut());
afterEach(() => vi.restoreAllMocks());

const messages = (from: number, to: number): Message[] =>
  Array.from({ length: to - from + 1 }, (_, index) => message(from + index));

function withRun(one: Run): FakeClient {
  const client = new FakeClient([conversation('ben', { lastSeq: 1_000 })]);
  client.show(WITH_BEN, one);
  return client;
}

const topOf = (root: ParentNode, key: string): number => only(root, `[data-key=${key}]`).getBoundingClientRect().top;
const below = (scroller: Element): number => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;

test('a conversation opens at its end', async () => {
  const root = await showPane(withRun(run(messages(971, 1_000))));
  expect(below(only(root, '.scroller'))).toBe(0);
  expect(root.querySelector('.jump')).toBeNull();
});

test('with unread messages it opens at the first of them', async () => {
  const client = withRun(run(messages(951, 1_000)));
  client.dividerSeq.value = 970;
  const root = await showPane(client);
  expect(topOf(root, 'unread')).toBe(64);
});

test('older messages move nothing, wherever the list is scrolled to', async () => {
  const client = withRun(run(messages(951, 1_000), { reachesStart: false }));
  const root = await showPane(client);
  const scroller = only(root, '.scroller');
  for (const [top, from] of [
    [0, 901],
    [1, 851],
    [500, 801],
  ] as const) {
    await after(() => scroll(scroller, top));
    const row = [...root.querySelectorAll<HTMLElement>('.message')].find(one => one.getBoundingClientRect().top >= 40);
    const key = row?.dataset['key'] ?? '';
    const before = topOf(root, key);
    await after(() => client.show(WITH_BEN, run(messages(from, 1_000), { reachesStart: false })));
    expect(topOf(root, key)).toBe(before);
  }
});

test('the list is held by a row that keeps its shape: not by the first one, before which more comes', async () => {
  const root = await showPane(withRun(run(messages(951, 1_000), { reachesStart: false })));
  const scroller = only(root, '.scroller');
  scroller.scrollTop = 0;
  expect(capture(scroller)).toEqual({ key: 'm952', top: 80 });
  scroller.scrollTop = 200;
  expect(capture(scroller)).toEqual({ key: 'm955', top: 0 });
});

test('a new message moves nothing while older ones are read', async () => {
  const client = withRun(run(messages(951, 1_000)));
  const root = await showPane(client);
  await after(() => scroll(only(root, '.scroller'), 800));
  const before = topOf(root, 'm975');
  await after(() => client.show(WITH_BEN, run(messages(951, 1_001))));
  expect(topOf(root, 'm975')).toBe(before);
});

test('a new message at the end is followed', async () => {
  const client = withRun(run(messages(951, 1_000)));
  const root = await showPane(client);
  await after(() => client.show(WITH_BEN, run(messages(951, 1_001))));
  expect(below(only(root, '.scroller'))).toBe(0);
});

test('who is at the end stays there while a hole below it is filled', async () => {
  const client = withRun(run(messages(951, 1_000)));
  const root = await showPane(client);
  const before = topOf(root, 'm1000');
  await after(() => client.show(WITH_BEN, run(messages(951, 1_000), { reachesEnd: false })));
  await after(() => client.show(WITH_BEN, run(messages(951, 1_010), { reachesEnd: false })));
  expect(topOf(root, 'm1000')).toBe(before);
  await after(() => client.show(WITH_BEN, run(messages(951, 1_020))));
  expect(below(only(root, '.scroller'))).toBe(0);
});

test('more is loaded near an end of what is held, one page at a time', async () => {
  const client = withRun(run(messages(901, 950), { reachesStart: false, reachesEnd: false }));
  const root = await showPane(client);
  const scroller = only(root, '.scroller');
  client.loadOlder.mockClear();
  client.loadNewer.mockClear();
  await after(() => scroll(scroller, 800));
  expect(client.loadOlder).not.toHaveBeenCalled();
  expect(client.loadNewer).not.toHaveBeenCalled();
  await after(() => scroll(scroller, 590));
  expect(client.loadOlder).toHaveBeenCalledTimes(1);
  client.setLoading(WITH_BEN, { older: true });
  await after(() => scroll(scroller, 300));
  expect(client.loadOlder).toHaveBeenCalledTimes(1);
  await after(() => client.setLoading(WITH_BEN, { older: false }));
  await after(() => scroll(scroller, 1_300));
  expect(client.loadNewer).toHaveBeenCalledTimes(1);
});

test('after a failure nothing is loaded before somebody asks', async () => {
  const client = withRun(run(messages(901, 950), { reachesStart: false }));
  const root = await showPane(client);
  await after(() => scroll(only(root, '.scroller'), 0));
  client.loadOlder.mockClear();
  await after(() => client.setLoading(WITH_BEN, { problem: 'The server did not answer.' }));
  await after(() => scroll(only(root, '.scroller'), 10));
  expect(client.loadOlder).not.toHaveBeenCalled();
  await click(button(only(root, '.edge'), 'Try again'));
  expect(client.loadOlder).toHaveBeenCalledTimes(1);
});

test('a first page that fails can be read again', async () => {
  const client = new FakeClient([conversation('ben', { lastSeq: 5 })]);
  const root = await showPane(client);
  await after(() => client.setLoading(WITH_BEN, { problem: 'The server did not answer.' }));
  expect(only(root, '.nothing').textContent).toContain('The server did not answer.');
  await click(button(root, 'Try again'));
  expect(client.jump).toHaveBeenCalledWith(WITH_BEN, { to: 'unread' });
});

test('what is near an end is loaded once a failure is forgiven', async () => {
  const client = withRun(run(messages(901, 950), { reachesStart: false }));
  const root = await showPane(client);
  await after(() => client.setLoading(WITH_BEN, { problem: 'The server did not answer.' }));
  await after(() => scroll(only(root, '.scroller'), 0));
  client.loadOlder.mockClear();
  await after(() => client.setLoading(WITH_BEN, { problem: null }));
  expect(client.loadOlder).toHaveBeenCalledTimes(1);
});

test('the button goes to the end, reading it where it is not held', async () => {
  const client = withRun(run(messages(901, 950), { reachesStart: false, reachesEnd: false }));
  client.jump.mockImplementation(async () => {
    client.show(WITH_BEN, run(messages(951, 1_000), { reachesStart: false }));
    return 'm1000';
  });
  const root = await showPane(client);
  await click(button(root, 'Go to the latest message'));
  expect(client.jump).toHaveBeenCalledWith(WITH_BEN, { to: 'latest' });
  expect(below(only(root, '.scroller'))).toBe(0);
  expect(root.querySelector('.jump')).toBeNull();
});

test('the key End at the end of what is held goes to the newest message', async () => {
  const client = withRun(run(messages(901, 950), { reachesEnd: false }));
  const root = await showPane(client);
  const event = await press(only(root, '.scroller'), 'End');
  expect(event.defaultPrevented).toBe(true);
  expect(client.jump).toHaveBeenCalledWith(WITH_BEN, { to: 'latest' });
});

test('with the end held the browser scrolls there itself', async () => {
  const client = withRun(run(messages(901, 950)));
  const event = await press(only(await showPane(client), '.scroller'), 'End');
  expect(event.defaultPrevented).toBe(false);
});

test('a date is asked for, and gone to', async () => {
  const client = withRun(run(messages(951, 1_000)));
  client.jump.mockResolvedValue('m960');
  const root = await showPane(client);
  await click(only(root, 'ol .day-pill'));
  const input = only<HTMLInputElement>(root, 'dialog input');
  await after(() => {
    input.value = '2026-03-01';
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await after(() => void only(root, 'dialog form').dispatchEvent(new Event('submit', { cancelable: true })));
  expect(client.jump).toHaveBeenCalledWith(WITH_BEN, { to: 'date', date: new Date(2026, 2, 1) });
  expect(only(root, '.is-found').dataset['key']).toBe('m960');
  expect(root.querySelector('dialog')).toBeNull();
});

test('a date after the last message is told', async () => {
  const client = withRun(run(messages(951, 1_000)));
  const root = await showPane(client);
  await click(only(root, 'ol .day-pill'));
  await after(() => void only(root, 'dialog form').dispatchEvent(new Event('submit', { cancelable: true })));
  expect(only(root, '.toast-text').textContent).toBe('There are no messages from that day or later.');
});

test('a conversation is found again where it was left in this visit', async () => {
  const client = withRun(run(messages(951, 1_000)));
  const first = await showPane(client);
  await after(() => scroll(only(first, '.scroller'), 800));
  const before = topOf(first, 'm975');
  const { render } = await import('preact');
  await after(() => {
    if (first.isConnected) render(null, first);
    client.close();
  });
  const second = await showPane(client);
  expect(topOf(second, 'm975')).toBe(before);
});

test('what is sent is gone to, once it waits', async () => {
  const client = withRun(run(messages(951, 1_000)));
  const root = await showPane(client);
  await after(() => scroll(only(root, '.scroller'), 200));
  client.send.mockImplementation(async () => {
    client.outbox.value = [outboxEntry(1)];
  });
  const box = only<HTMLTextAreaElement>(root, 'textarea');
  await after(() => {
    box.value = 'Hello';
    box.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await press(box, 'Enter');
  await after(() => undefined);
  expect(below(only(root, '.scroller'))).toBe(0);
});

test('arrows move between messages, and Enter opens what can be done with one', async () => {
  const client = withRun(run(messages(996, 1_000)));
  const root = await showPane(client);
  await after(() => only(root, '[data-key=m1000]').focus());
  await press(only(root, '[data-key=m1000]'), 'ArrowUp');
  expect(document.activeElement).toBe(only(root, '[data-key=m999]'));
  await press(only(root, '[data-key=m999]'), 'Enter');
  expect([...root.querySelectorAll('[role=menuitem]')].map(item => item.textContent)).toEqual([
    'Reply',
    'Copy text',
    'Message info',
  ]);
});
