import type { Catalogue } from '../../i18n/en';
import type { Session } from '../../protocol';

/** Out of the more special to the more general: an iPhone says that it is "like Mac OS X", Android that it is Linux. */
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'Mac'],
  [/CrOS/, 'ChromeOS'],
  [/Linux|X11/, 'Linux'],
];
/** Many call themselves Chrome and Safari, too. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Firefox\/|FxiOS\/|; rv:/, 'Firefox'],
  [/Edg(?:A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/Chrome\/|CriOS\//, 'Chrome'],
  [/Safari\//, 'Safari'],
];

/** What a session is called: a program's own name, or browser and system out of what the browser said of itself. */
export function deviceName({ kind, name }: Pick<Session, 'kind' | 'name'>, words: Catalogue['settings']): string {
  if (kind === 'token') return name || words.aProgram;
  const system = found(SYSTEMS, name);
  const browser = found(BROWSERS, name);
  if (!system) return browser ?? words.unknownDevice;
  return browser ? words.browserOn(browser, system) : words.aBrowserOn(system);
}

function found(known: readonly (readonly [RegExp, string])[], text: string): string | undefined {
  return known.find(([pattern]) => pattern.test(text))?.[1];
}
