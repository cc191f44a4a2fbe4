/** What this browser remembers about the look and feel, for all who use it. */

import { effect, type Signal, signal } from '@preact/signals';
import { isLanguage, type Language, preferredLanguage, speak } from '../i18n/language';

export type Theme = 'system' | 'light' | 'dark';
export type Choice = 'yes' | 'no';

const PREFIX = 'parley.';
/** By key: takes what another tab wrote. */
const takers = new Map<string, (text: string | null) => void>();

export const theme = kept<Theme>('theme', 'system', isTheme);
/** Whether Enter sends; else it begins a line, and Ctrl+Enter sends. */
export const enterSends = kept<Choice>('enter-sends', 'yes', isChoice);
/** Whether the title and the app's icon count what is unread. */
export const countsUnread = kept<Choice>('counts-unread', 'yes', isChoice);
/** "system": the first of the browser's languages that the client speaks. */
export const languageChoice = kept<Language | 'system'>(
  'language',
  'system',
  text => text === 'system' || isLanguage(text),
);

/** Follow the choices from now on; resolves when the language is there. */
export async function applyPreferences(): Promise<void> {
  effect(() => applyTheme(theme.value));
  addEventListener('storage', onStorage);
  await new Promise<void>(resolve => {
    effect(() => {
      const choice = languageChoice.value;
      void speak(choice === 'system' ? preferredLanguage() : choice).then(resolve);
    });
  });
}

function kept<T extends string>(name: string, fallback: T, isValid: (text: string) => boolean): Signal<T> {
  const key = PREFIX + name;
  const parsed = (text: string | null): T => (text !== null && isValid(text) ? (text as T) : fallback);
  const choice = signal(parsed(read(key)));
  takers.set(key, text => {
    choice.value = parsed(text);
  });
  let isFirst = true;
  effect(() => {
    const value = choice.value;
    if (!isFirst) write(key, value === fallback ? null : value);
    isFirst = false;
  });
  return choice;
}

function isChoice(text: string): boolean {
  return text === 'yes' || text === 'no';
}

function isTheme(text: string): boolean {
  return text === 'system' || text === 'light' || text === 'dark';
}

/** `theme.js` did the same before the first paint. */
function applyTheme(chosen: Theme): void {
  const root = document.documentElement;
  if (chosen === 'system') delete root.dataset['theme'];
  else root.dataset['theme'] = chosen;
}

/** Another tab chose something. */
function onStorage(event: StorageEvent): void {
  if (event.key !== null) takers.get(event.key)?.(event.newValue);
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage is switched off: choices last as long as the tab
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // as above
  }
}
