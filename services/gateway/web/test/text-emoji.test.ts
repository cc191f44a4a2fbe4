import { expect, test } from 'vitest';
import { isEmojiOnly } from '../src/text/emoji';

test.each([
  '😀',
  '👍👍',
  '🎉🎉🎉',
  '👍 🎉',
  ' 😀\n',
  '❤️',
  '✌🏽',
  '👍🏿',
  '👩‍👩‍👧‍👦',
  '👩🏽‍💻',
  '🏳️‍🌈',
  '👁‍🗨',
  '🇩🇪',
  '🇩🇪🇫🇷🇮🇹',
  '🏴󠁧󠁢󠁳󠁣󠁴󠁿',
  '1️⃣',
  '⌚',
  '👩🏽‍❤️‍💋‍👩🏿👩🏽‍❤️‍💋‍👩🏿👩🏽‍❤️‍💋‍👩🏿',
])('%s is shown large', text => {
  expect(isEmojiOnly(text)).toBe(true);
});

test.each([
  '',
  ' ',
  'a',
  '1',
  '123',
  '#',
  '😀!',
  'hi 😀',
  '😀😀😀😀',
  '©',
  '™',
  '❤',
  '🇩',
  '\u200d',
  '\ufe0f',
  ':)',
  '😀\u202e',
])('%j is not', text => {
  expect(isEmojiOnly(text)).toBe(false);
});

test('a long text is not looked at', () => {
  const started = performance.now();
  for (const part of ['😀', '👩‍', '🇩🇪', ' ', '\u200d', '✌🏽‍']) expect(isEmojiOnly(part.repeat(4_000))).toBe(false);
  expect(performance.now() - started).toBeLessThan(1_000);
});
