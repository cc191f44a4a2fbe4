import { afterEach, expect, test, vi } from 'vitest';
import { de } from '../src/i18n/de';
import { en } from '../src/i18n/en';
import { catalogue, locale, preferredLanguage, speak } from '../src/i18n/language';

afterEach(async () => {
  vi.unstubAllGlobals();
  await speak('en');
});

type Leaf = readonly [path: string, value: unknown];

function leaves(value: object, path = ''): Leaf[] {
  return Object.entries(value).flatMap(([key, inner]): Leaf[] =>
    typeof inner === 'object' && inner !== null ? leaves(inner, `${path}${key}.`) : [[`${path}${key}`, inner]],
  );
}

/** What a text says with numbers, or with words, as its parameters. */
function said(value: unknown): string[] {
  if (typeof value !== 'function') return [String(value)];
  const make = value as (...given: unknown[]) => string;
  return [
    [1, 1, 1, 1],
    [2, 2, 2, 2],
    ['Ann', 'Ben', 'Cy', 'Di'],
  ].map(given => make(...given));
}

test.each([
  ['en', en],
  ['de', de],
] as const)('every text of %s says something', (_language, words) => {
  const empty = leaves(words).filter(([, value]) =>
    said(value).some(text => text.trim() === '' || /undefined|\[object|#/.test(text)),
  );
  expect(empty).toEqual([]);
});

test('all languages have the same texts, of the same kinds', () => {
  const kinds = (words: object): string[] => leaves(words).map(([path, value]) => `${path}: ${typeof value}`);
  expect(kinds(de).sort()).toEqual(kinds(en).sort());
});

test('numbers decide between forms of a word', () => {
  expect([0, 1, 2].map(en.list.unread)).toEqual(['0 unread messages', '1 unread message', '2 unread messages']);
  expect([1, 2].map(de.list.unread)).toEqual(['1 ungelesene Nachricht', '2 ungelesene Nachrichten']);
  expect(en.settings.signOutWaiting(1234)).toContain('1,234');
  expect(de.settings.signOutWaiting(1234)).toContain('1.234');
});

test('the first language of the browser that is known is spoken, in its region', async () => {
  vi.stubGlobal('navigator', { languages: ['fr-FR', 'de-AT', 'en-US'] });
  expect(preferredLanguage()).toBe('de');
  await speak('de');
  expect(catalogue.value).toBe(de);
  expect(locale.value).toBe('de-AT');
  expect(document.documentElement.lang).toBe('de');
});

test('English is spoken to those whose languages are not known', () => {
  vi.stubGlobal('navigator', { languages: ['fr', 'tlh'] });
  expect(preferredLanguage()).toBe('en');
});
