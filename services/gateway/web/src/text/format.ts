/** Times as people read them: in a locale, in this browser's time zone. */

import type { Time } from '../protocol';

/** Words of the catalogue. */
export interface DayWords {
  readonly today: string;
  readonly yesterday: string;
}

/** What a sentence about when somebody was last here is made of. */
export type LastSeen =
  | { readonly kind: 'just-now' }
  | { readonly kind: 'minutes'; readonly minutes: number }
  | { readonly kind: 'today'; readonly clock: string }
  | { readonly kind: 'yesterday'; readonly clock: string }
  | { readonly kind: 'weekday'; readonly weekday: string; readonly clock: string }
  | { readonly kind: 'date'; readonly date: string };

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Within so many days a weekday says it all. */
const WEEKDAY_DAYS = 6;
const MAX_FORMATTERS = 50;

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Making a formatter costs a hundred times what using it does. */
function formatter(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  const known = formatters.get(key);
  if (known) return known;
  if (formatters.size >= MAX_FORMATTERS) formatters.clear();
  const made = new Intl.DateTimeFormat(locale, options);
  formatters.set(key, made);
  return made;
}

const pad = (number: number, digits: number): string => String(number).padStart(digits, '0');

/** The local day of a time: `2026-11-22`. */
export function dayOf(time: Time | Date): string {
  const date = new Date(time);
  return `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1, 2)}-${pad(date.getDate(), 2)}`;
}

/** Noon, so that no change of the clocks moves it to another day. */
function noonOf(day: string): Date {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number);
  return new Date(year, month - 1, date, 12);
}

/** How many local days ago; negative in the future. */
function daysAgo(day: string, now: Date): number {
  return Math.round((noonOf(dayOf(now)).getTime() - noonOf(day).getTime()) / DAY_MS);
}

/** The time of day, as the locale has it: `14:02`, `2:02 PM`. */
export function clock(time: Time | Date, locale: string): string {
  return formatter(locale, { timeStyle: 'short' }).format(new Date(time));
}

/** What a pill between days says of a local day (as `dayOf` writes it). */
export function dayLabel(day: string, now: Date, locale: string, words: DayWords): string {
  const ago = daysAgo(day, now);
  if (ago === 0) return words.today;
  if (ago === 1) return words.yesterday;
  const date = noonOf(day);
  if (ago > 1 && ago <= WEEKDAY_DAYS) return formatter(locale, { weekday: 'long' }).format(date);
  return longDate(date, now, locale);
}

function longDate(date: Date, now: Date, locale: string): string {
  const isThisYear = date.getFullYear() === now.getFullYear();
  return formatter(locale, { day: 'numeric', month: 'long', ...(isThisYear ? {} : { year: 'numeric' }) }).format(date);
}

/** The time of the last message in a list: the shortest that says it. */
export function listTime(time: Time, now: Date, locale: string, words: Pick<DayWords, 'yesterday'>): string {
  const ago = daysAgo(dayOf(time), now);
  if (ago === 0) return clock(time, locale);
  if (ago === 1) return words.yesterday;
  if (ago > 1 && ago <= WEEKDAY_DAYS) return formatter(locale, { weekday: 'short' }).format(new Date(time));
  return formatter(locale, { day: '2-digit', month: '2-digit', year: '2-digit' }).format(new Date(time));
}

/** When somebody was last here. A time in the future (clocks differ) is just now. */
export function lastSeen(time: Time, now: Date, locale: string): LastSeen {
  const minutes = Math.floor((now.getTime() - new Date(time).getTime()) / MINUTE_MS);
  if (minutes < 1) return { kind: 'just-now' };
  if (minutes < 60) return { kind: 'minutes', minutes };
  const ago = daysAgo(dayOf(time), now);
  if (ago === 0) return { kind: 'today', clock: clock(time, locale) };
  if (ago === 1) return { kind: 'yesterday', clock: clock(time, locale) };
  if (ago <= WEEKDAY_DAYS) {
    const weekday = formatter(locale, { weekday: 'long' }).format(new Date(time));
    return { kind: 'weekday', weekday, clock: clock(time, locale) };
  }
  return { kind: 'date', date: longDate(new Date(time), now, locale) };
}

/** Day and time in full, to the second. */
export function absoluteTime(time: Time, locale: string): string {
  return formatter(locale, { dateStyle: 'full', timeStyle: 'medium' }).format(new Date(time));
}
