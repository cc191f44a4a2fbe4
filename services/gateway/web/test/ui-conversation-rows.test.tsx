import { expect, test, vi } from 'vitest';
import { isEmojiOnly } from '../src/text/emoji';
import type { FakeClient } from './support/fake-client';
import { FakeClient as Client } from './support/fake-client';
import { after, button, click, only, showPane, textsOf } from './support/pane';
import { conversation, membersOf, message, run, WITH_BEN } from './support/samples';

vi.mock('../src/text/emoji', { spy: true });
/** Every message asks it once when it is rendered. */
const rendered = vi.mocked(isEmojiOnly);

/** Strings that break pages which make HTML of what people write. */
const HOSTILE = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  '<a href="javascript:alert(1)">x</a>',
  '<iframe srcdoc="<script>alert(1)</script>">',
  '{{constructor.constructor("alert(1)")()}}',
  '&lt;b&gt;not bold&lt;/b&gt;',
  '<!--',
  '</li></ol><h1>gone</h1>',
  '\u202e<b>turned</b>',
];

function withMessages(...messages: Parameters<typeof run>[0]): FakeClient {
  const client = new Client([conversation('ben', { lastSeq: messages.length })]);
  client.show(WITH_BEN, run(messages));
  return client;
}

test('messages of one author within five minutes belong together', async () => {
  const root = await showPane(
    withMessages(
      message(1),
      message(2),
      message(3, { sender: 'ann' }),
      message(4, { sender: 'ann', sent_at: '2026-11-22T14:30:00.000Z' }),
    ),
  );
  const shapes = [...root.querySelectorAll('.message')].map(row =>
    ['is-mine', 'is-head', 'is-tail'].filter(name => row.classList.contains(name)).join(' '),
  );
  expect(shapes).toEqual(['is-head', 'is-tail', 'is-mine is-head is-tail', 'is-mine is-head is-tail']);
});

test('a day is told once, before its first message', async () => {
  const root = await showPane(
    withMessages(
      message(1, { sent_at: '2024-02-28T12:00:00.000Z' }),
      message(2, { sent_at: '2024-02-29T12:00:00.000Z' }),
      message(3, { sent_at: '2024-02-29T12:01:00.000Z' }),
    ),
  );
  expect(textsOf(root, 'ol .day-pill')).toEqual(['February 28, 2024', 'February 29, 2024']);
});

test('the divider of new messages stays where it was when the visit began', async () => {
  const client = withMessages(message(1), message(2), message(3));
  client.dividerSeq.value = 2;
  const root = await showPane(client);
  expect(only(root, '.divider').nextElementSibling?.getAttribute('data-key')).toBe('m2');
  await after(() => client.put(conversation('ben', { lastSeq: 3, unread: 0, members: membersOf('ann', 'ben') })));
  expect(only(root, '.divider').nextElementSibling?.getAttribute('data-key')).toBe('m2');
});

test('the divider of another conversation is not shown before this one is opened', async () => {
  const client = withMessages(message(1), message(2));
  client.openId.value = 'another';
  client.dividerSeq.value = 2;
  client.open.mockImplementation(async () => undefined);
  const root = await showPane(client);
  expect(root.querySelector('.divider')).toBeNull();
});

test('names are shown in groups, on the first of messages that belong together', async () => {
  const members = membersOf('ann', 'ben', 'chloe');
  const client = new Client([conversation('ben', { kind: 'group', peer: null, title: 'Crew', lastSeq: 3, members })]);
  client.show(WITH_BEN, run([message(1), message(2), message(3, { sender: 'chloe' })]));
  const root = await showPane(client);
  expect(textsOf(root, '.bubble-name')).toEqual(['Ben', 'Chloe']);
  expect(root.querySelectorAll('.message .avatar')).toHaveLength(2);
});

test('screen readers hear who said it where no name is shown', async () => {
  const root = await showPane(withMessages(message(1), message(2, { sender: 'ann' })));
  expect(textsOf(root, '.bubble > .visually-hidden')).toEqual(['Ben: ', 'You: ']);
});

test.each(HOSTILE)('%s stays text, as message, name and quote', async text => {
  const members = membersOf('ann', 'ben');
  const ben = members.get('ben');
  if (!ben) throw new Error('Ben is a member');
  const client = new Client([
    conversation('ben', {
      kind: 'group',
      title: text,
      lastSeq: 2,
      members: new Map(members).set('ben', { ...ben, displayName: text }),
    }),
  ]);
  client.show(WITH_BEN, run([message(1, { content: text }), message(2, { content: text, reply_to: 'm1' })]));
  const root = await showPane(client);
  expect(textsOf(root, '.bubble-text')).toEqual([text, text]);
  expect(textsOf(root, '.bubble-name')).toEqual([text]);
  expect(only(root, '.quote-text').textContent).toBe(text);
  expect(only(root, 'h1').textContent).toBe(text);
  expect(root.querySelectorAll('script, img, iframe, b, a, .bubble svg:not([class])')).toHaveLength(0);
});

test('links open elsewhere and tell nothing', async () => {
  const root = await showPane(withMessages(message(1, { content: 'See https://example.org/a?b=c. And javascript:x' })));
  const link = only<HTMLAnchorElement>(root, '.bubble a');
  expect(link.getAttribute('href')).toBe('https://example.org/a?b=c');
  expect(link.target).toBe('_blank');
  expect(link.rel).toBe('noopener noreferrer nofollow');
  expect(only(root, '.bubble-text').textContent).toBe('See https://example.org/a?b=c. And javascript:x');
});

test('texts find their own direction', async () => {
  const root = await showPane(withMessages(message(1, { content: 'שלום' })));
  expect(only(root, '.bubble-body').getAttribute('dir')).toBe('auto');
});

test('a few emoji are large, and text is not', async () => {
  const root = await showPane(withMessages(message(1, { content: '👍🏽 🎉' }), message(2, { content: 'ok 👍' })));
  expect([...root.querySelectorAll('.bubble-body')].map(body => body.classList.contains('is-emoji'))).toEqual([
    true,
    false,
  ]);
});

test('a very long message shows its beginning, and all of it when asked', async () => {
  const content = 'word '.repeat(1_000).trim();
  const root = await showPane(withMessages(message(1, { content })));
  expect(only(root, '.bubble-text').textContent).toHaveLength(1_200);
  await click(button(root, 'Show all'));
  expect(only(root, '.bubble-text').textContent).toBe(content);
});

test('many lines are cut, too', async () => {
  const root = await showPane(withMessages(message(1, { content: 'line\n'.repeat(100) })));
  expect(only(root, '.bubble-text').textContent.split('\n')).toHaveLength(20);
});

test('a reply quotes what it is about, and a click goes there', async () => {
  const client = withMessages(message(1, { content: 'Lunch?' }), message(2, { sender: 'ann', reply_to: 'm1' }));
  client.jump.mockResolvedValue('m1');
  const root = await showPane(client);
  await click(button(root, 'In reply to Ben. Go to that message: Lunch?'));
  expect(client.jump).toHaveBeenCalledWith(WITH_BEN, { to: 'message', messageId: 'm1' });
  expect(only(root, '.is-found').getAttribute('data-key')).toBe('m1');
});

test('a quote of a message that is gone says so', async () => {
  const root = await showPane(withMessages(message(1, { reply_to: 'gone' })));
  expect(only(root, '.quote').textContent).toBe('This message is not there any more.');
});

test('only what changes is rendered anew', async () => {
  const messages = Array.from({ length: 50 }, (_, index) => message(index + 1));
  const client = withMessages(...messages);
  const root = await showPane(client);
  rendered.mockClear();
  await after(() => client.set({ presence: new Map([['ben', { status: 'online', lastSeen: null }]]) }));
  expect(rendered).not.toHaveBeenCalled();
  await after(() => client.show(WITH_BEN, run([...messages, message(51)])));
  expect(root.querySelectorAll('.message')).toHaveLength(51);
  expect(rendered).toHaveBeenCalledTimes(2); // the new one, and the one before: it is not the last of its group any more
});

test('one message at a time takes Tab', async () => {
  const root = await showPane(withMessages(message(1), message(2), message(3)));
  const stops = (): (string | null)[] =>
    [...root.querySelectorAll('.message[tabindex="0"]')].map(row => row.getAttribute('data-key'));
  expect(stops()).toEqual(['m3']);
  await after(() => root.querySelector<HTMLElement>('[data-key=m2]')?.focus());
  expect(stops()).toEqual(['m2']);
});
