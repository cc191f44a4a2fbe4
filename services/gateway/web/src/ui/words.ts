import type { Catalogue } from '../i18n/en';
import { catalogue, locale } from '../i18n/language';

/** All texts in the chosen language; a component that calls it follows a change of the language. */
export function useWords(): Catalogue {
  return catalogue.value;
}

/** The locale for `Intl`, with the browser's region where it has one: "en-GB". */
export function useLocale(): string {
  return locale.value;
}
