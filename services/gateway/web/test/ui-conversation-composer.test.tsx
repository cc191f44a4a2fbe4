import { render } from 'preact';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeClient } from './support/fake-client';
import { after, button, click, only, press, showPane, textsOf, write } from './support/pane';
import { conversation, message, outboxEntry, run, WITH_BEN } from './support/samples';

let isTouch = false;

beforeEach(() => {
  isTouch = false;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  vi.spyOn(globalThis, 'matchMedia').mockImplementation(
    query => ({ matches: query === '(pointer: coarse)' && isTouch }) as MediaQueryList,
  );
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function withBen(more: Parameters<typeof conversation>[1] = {}): FakeClient {
  const client = new FakeClient([conversation('ben', { lastSeq: 2, ...more })]);
  client.show(WITH_BEN, run([message(1), message(2, { sender: 'ann' })]));
  return client;
}

const boxOf = (root: ParentNode): HTMLTextAreaElement => only<HTMLTextAreaElement>(root, 'textarea');

test('Enter sends, without the white space around', async () => {
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), '  Hello\nyou \n');
  const event = await press(boxOf(root), 'Enter');
  expect(event.defaultPrevented).toBe(true);
  expect(client.send).toHaveBeenCalledWith(WITH_BEN, 'Hello\nyou', undefined);
  expect(boxOf(root).value).toBe('');
});

test.each<[string, KeyboardEventInit]>([
  ['with Shift', { shiftKey: true }],
  ['that ends the input of a word', { isComposing: true }],
])('Enter %s does not send', async (_how, init) => {
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), 'Hello');
  const event = await press(boxOf(root), 'Enter', init);
  expect(event.defaultPrevented).toBe(false);
  expect(client.send).not.toHaveBeenCalled();
});

test('with a finger Enter begins a line, and the button sends', async () => {
  isTouch = true;
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), 'Hello');
  expect((await press(boxOf(root), 'Enter')).defaultPrevented).toBe(false);
  expect(client.send).not.toHaveBeenCalled();
  await click(button(root, 'Send'));
  expect(client.send).toHaveBeenCalledWith(WITH_BEN, 'Hello', undefined);
});

test('nothing but white space can’t be sent', async () => {
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), ' \n ');
  expect(button(root, 'Send').disabled).toBe(true);
  await press(boxOf(root), 'Enter');
  expect(client.send).not.toHaveBeenCalled();
});

test('a text over the limit is counted in characters as people see them, and not sent', async () => {
  const client = withBen();
  client.contentLimit.value = 300;
  const root = await showPane(client);
  await write(boxOf(root), '😀'.repeat(300));
  expect(only(root, '.composer-counter').textContent).toBe('300 of 300');
  expect(button(root, 'Send').disabled).toBe(false);
  await write(boxOf(root), '😀'.repeat(301));
  expect(only(root, '.composer-counter').textContent).toBe('301 of 300. 1 character too many');
  expect(boxOf(root).getAttribute('aria-invalid')).toBe('true');
  expect(button(root, 'Send').disabled).toBe(true);
  await press(boxOf(root), 'Enter');
  expect(client.send).not.toHaveBeenCalled();
});

test('what can’t be kept in this browser comes back into the box', async () => {
  const client = withBen();
  client.send.mockRejectedValue(new Error('full'));
  const root = await showPane(client);
  await write(boxOf(root), 'Hello');
  await press(boxOf(root), 'Enter');
  await after(() => undefined);
  expect(boxOf(root).value).toBe('Hello');
  expect(only(root, '.toast-text').textContent).toContain('could not be kept');
});

test('a draft is kept half a second after the last key, and gone when it is sent', async () => {
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), 'Hel');
  vi.advanceTimersByTime(400);
  await write(boxOf(root), 'Hello');
  vi.advanceTimersByTime(499);
  expect(client.saveDraft).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(client.saveDraft.mock.calls).toEqual([[WITH_BEN, 'Hello']]);
  await press(boxOf(root), 'Enter');
  expect(client.saveDraft).toHaveBeenLastCalledWith(WITH_BEN, '');
});

test('a draft is there again, and one of another device comes into an empty box', async () => {
  const client = withBen({ draft: 'Begun' });
  const root = await showPane(client);
  expect(boxOf(root).value).toBe('Begun');
  await write(boxOf(root), '');
  await after(() => client.put(conversation('ben', { lastSeq: 2, draft: 'From the phone' })));
  expect(boxOf(root).value).toBe('From the phone');
});

test('a draft of another device does not replace what is written here', async () => {
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), 'Mine');
  await after(() => client.put(conversation('ben', { lastSeq: 2, draft: 'From the phone' })));
  expect(boxOf(root).value).toBe('Mine');
});

test('a draft that is too long to be kept is there again in this visit', async () => {
  const client = withBen();
  client.contentLimit.value = 10;
  const first = await showPane(client);
  await write(boxOf(first), 'x'.repeat(11));
  vi.advanceTimersByTime(500);
  await after(() => render(null, first));
  expect(client.saveDraft).not.toHaveBeenCalled();
  const second = await showPane(client);
  expect(boxOf(second).value).toBe('x'.repeat(11));
  await write(boxOf(second), 'short');
  await after(() => render(null, second));
  expect(client.saveDraft.mock.calls).toEqual([[WITH_BEN, 'short']]);
});

test('what was sent does not come back as a draft', async () => {
  const client = withBen({ draft: 'Hello' });
  const root = await showPane(client);
  await press(boxOf(root), 'Enter');
  await after(() => client.put(conversation('ben', { lastSeq: 2, draft: '' })));
  await after(() => client.put(conversation('ben', { lastSeq: 2, draft: 'Hello' }))); // a list that was read before
  expect(boxOf(root).value).toBe('');
});

test('typing is told while keys come, and ends after five seconds without one', async () => {
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), 'H');
  vi.advanceTimersByTime(4_000);
  await write(boxOf(root), 'He');
  vi.advanceTimersByTime(4_999);
  expect(client.typing.mock.calls).toEqual([
    [WITH_BEN, true],
    [WITH_BEN, true],
  ]);
  vi.advanceTimersByTime(1);
  expect(client.typing).toHaveBeenLastCalledWith(WITH_BEN, false);
});

test.each<[string, (box: HTMLTextAreaElement) => Promise<unknown>]>([
  ['the box is emptied', box => write(box, '')],
  ['the box is left', box => after(() => void box.dispatchEvent(new FocusEvent('blur')))],
  ['it is sent', box => press(box, 'Enter')],
])('typing ends at once when %s', async (_when, happen) => {
  const client = withBen();
  const root = await showPane(client);
  await write(boxOf(root), 'H');
  await happen(boxOf(root));
  expect(client.typing.mock.calls).toEqual([
    [WITH_BEN, true],
    [WITH_BEN, false],
  ]);
});

test('a reply is shown above the box, sent with the message, and given up with Esc', async () => {
  const client = withBen();
  const root = await showPane(client);
  const reply = async (): Promise<void> => {
    await press(only(root, '[data-key=m1]'), 'Enter');
    const items = [...root.querySelectorAll<HTMLElement>('[role=menuitem]')];
    await click(items.find(item => item.textContent === 'Reply') ?? root);
  };
  await reply();
  expect(textsOf(root, '.reply-bar p')).toEqual(['Reply to Ben', 'Message 1']);
  expect(document.activeElement).toBe(boxOf(root));
  await press(boxOf(root), 'Escape');
  expect(root.querySelector('.reply-bar')).toBeNull();
  await reply();
  await write(boxOf(root), 'Yes');
  await press(boxOf(root), 'Enter');
  expect(client.send).toHaveBeenCalledWith(WITH_BEN, 'Yes', 'm1');
  expect(root.querySelector('.reply-bar')).toBeNull();
});

test('nothing can be written to whom the user blocked, before that is taken back', async () => {
  const client = withBen({ blocked: true });
  const root = await showPane(client);
  expect(root.querySelector('textarea')).toBeNull();
  expect(only(root, '.composer-closed p').textContent).toBe('You blocked Ben.');
  await click(button(root, 'Unblock'));
  expect(client.block).toHaveBeenCalledWith('ben', false);
});

test('after a refusal behind a block the box is closed until that message is deleted', async () => {
  const client = withBen();
  client.outbox.value = [outboxEntry(1, { state: 'failed', problem: { code: 'blocked', detail: '' } })];
  const root = await showPane(client);
  expect(only(root, '.composer-closed p').textContent).toBe('You and Ben can’t write to each other now.');
  await after(() => {
    client.outbox.value = [];
  });
  expect(boxOf(root).disabled).toBe(false);
});

test('letters that are typed beside the box go into it', async () => {
  const root = await showPane(withBen());
  await after(() => only(root, '[data-key=m2]').focus());
  await press(only(root, '[data-key=m2]'), 'x');
  expect(document.activeElement).toBe(boxOf(root));
});
