/** Spans of time in words; times of day are in text/format.ts. */

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

/** "3 hours ago"; under a minute, the words for now. */
export function ago(iso: string, nowMs: number, locale: string, justNow: string): string {
  const seconds = (nowMs - Date.parse(iso)) / 1000;
  if (seconds < MINUTE_S) return justNow;
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  if (seconds < HOUR_S) return relative.format(-Math.floor(seconds / MINUTE_S), 'minute');
  if (seconds < DAY_S) return relative.format(-Math.floor(seconds / HOUR_S), 'hour');
  return relative.format(-Math.floor(seconds / DAY_S), 'day');
}

/** How long to wait: "12 sec", "3 min". */
export function waitText(ms: number, locale: string): string {
  const seconds = Math.max(1, Math.ceil(ms / 1000));
  const [amount, unit] = seconds < 2 * MINUTE_S ? [seconds, 'second'] : [Math.ceil(seconds / MINUTE_S), 'minute'];
  return amount.toLocaleString(locale, { style: 'unit', unit, unitDisplay: 'long' });
}
