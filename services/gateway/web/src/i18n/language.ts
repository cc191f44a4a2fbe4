/** Which language the client speaks. */

import { computed, type ReadonlySignal, signal } from '@preact/signals';
import { type Catalogue, en } from './en';

export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

const spoken = signal<{ readonly language: Language; readonly catalogue: Catalogue }>({
  language: 'en',
  catalogue: en,
});

export const language: ReadonlySignal<Language> = computed(() => spoken.value.language);
export const catalogue: ReadonlySignal<Catalogue> = computed(() => spoken.value.catalogue);
/** For `Intl`: the browser's own variant of the language ("en-GB") if it has one. */
export const locale: ReadonlySignal<string> = computed(
  () => navigator.languages.find(tag => languageOf(tag) === language.value) ?? language.value,
);

/** The first of the browser's languages that the client speaks. */
export function preferredLanguage(): Language {
  for (const tag of navigator.languages) {
    const known = languageOf(tag);
    if (known) return known;
  }
  return 'en';
}

/** Speak a language from now on. Where its texts can't be had, it stays as it was. */
export async function speak(wanted: Language): Promise<void> {
  try {
    const texts = wanted === 'de' ? (await import('./de')).de : en;
    spoken.value = { language: wanted, catalogue: texts };
    document.documentElement.lang = wanted;
  } catch {
    // offline before this language was ever used: English, or what was spoken so far, is better than nothing
  }
}

export function isLanguage(text: string): text is Language {
  return Object.hasOwn(LANGUAGES, text);
}

function languageOf(tag: string): Language | undefined {
  const [base = ''] = tag.toLowerCase().split('-');
  return isLanguage(base) ? base : undefined;
}
