import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { absoluteTime, clock, dayLabel, dayOf, lastSeen, listTime } from '../src/text/format';

const WORDS = { today: 'Today', yesterday: 'Yesterday' };
/** A Sunday afternoon in Berlin. */
const NOW = new Date('2026-11-22T14:30:00.000Z');

beforeAll(() => void vi.stubEnv('TZ', 'Europe/Berlin'));
afterAll(() => void vi.unstubAllEnvs());

/** Spaces that don't break are spaces. */
const plain = (text: string): string => text.replace(/[\u00a0\u202f]/g, ' ');

test('the tests are in the time zone that they mean', () => {
  expect(new Date('2026-07-01T00:00:00Z').getHours()).toBe(2);
});

test('a clock is that of the locale', () => {
  expect(clock('2026-11-22T13:02:00.000Z', 'de')).toBe('14:02');
  expect(clock('2026-11-22T13:02:00.000Z', 'en-GB')).toBe('14:02');
  expect(plain(clock('2026-11-22T13:02:00.000Z', 'en-US'))).toBe('2:02 PM');
});

describe('a day', () => {
  test('is the local one', () => {
    expect(dayOf('2026-11-22T22:59:59.999Z')).toBe('2026-11-22');
    expect(dayOf('2026-11-22T23:00:00.000Z')).toBe('2026-11-23');
    expect(dayOf(new Date('2026-06-30T22:00:00.000Z'))).toBe('2026-07-01');
  });

  test.each([
    ['2026-11-22', 'Today'],
    ['2026-11-21', 'Yesterday'],
    ['2026-11-20', 'Friday'],
    ['2026-11-16', 'Monday'],
    ['2026-11-15', '15 November'],
    ['2026-01-01', '1 January'],
    ['2025-12-31', '31 December 2025'],
    ['2026-11-23', '23 November'],
  ])('%s is called %s', (day, label) => {
    expect(dayLabel(day, NOW, 'en-GB', WORDS)).toBe(label);
  });

  test('is called so in the words of the catalogue and the locale', () => {
    expect(dayLabel('2026-11-22', NOW, 'de', { today: 'Heute', yesterday: 'Gestern' })).toBe('Heute');
    expect(dayLabel('2026-11-20', NOW, 'de', WORDS)).toBe('Freitag');
    expect(dayLabel('2025-11-20', NOW, 'de', WORDS)).toBe('20. November 2025');
  });

  test('has the right neighbours where the clocks change', () => {
    const afterSpring = new Date('2026-03-29T22:30:00.000Z');
    expect(dayLabel('2026-03-29', afterSpring, 'en-GB', WORDS)).toBe('Yesterday');
    expect(dayLabel('2026-03-28', afterSpring, 'en-GB', WORDS)).toBe('Saturday');
    const afterAutumn = new Date('2026-10-25T23:30:00.000Z');
    expect(dayLabel('2026-10-25', afterAutumn, 'en-GB', WORDS)).toBe('Yesterday');
    expect(dayLabel('2026-10-19', afterAutumn, 'en-GB', WORDS)).toBe('19 October');
  });
});

test.each([
  ['2026-11-22T13:02:00.000Z', '14:02'],
  ['2026-11-21T23:00:00.000Z', '00:00'],
  ['2026-11-21T22:59:00.000Z', 'Yesterday'],
  ['2026-11-20T12:00:00.000Z', 'Fri'],
  ['2026-11-16T12:00:00.000Z', 'Mon'],
  ['2026-11-15T12:00:00.000Z', '15/11/26'],
  ['2026-11-23T12:00:00.000Z', '23/11/26'],
])('the time of %s in a list is %s', (time, text) => {
  expect(listTime(time, NOW, 'en-GB', WORDS)).toBe(text);
});

test.each([
  ['2026-11-22T14:29:01.000Z', { kind: 'just-now' }],
  ['2026-11-22T14:31:00.000Z', { kind: 'just-now' }],
  ['2026-11-22T14:29:00.000Z', { kind: 'minutes', minutes: 1 }],
  ['2026-11-22T13:30:01.000Z', { kind: 'minutes', minutes: 59 }],
  ['2026-11-22T13:30:00.000Z', { kind: 'today', clock: '14:30' }],
  ['2026-11-21T23:01:00.000Z', { kind: 'today', clock: '00:01' }],
  ['2026-11-21T22:59:00.000Z', { kind: 'yesterday', clock: '23:59' }],
  ['2026-11-20T12:00:00.000Z', { kind: 'weekday', weekday: 'Friday', clock: '13:00' }],
  ['2026-11-15T12:00:00.000Z', { kind: 'date', date: '15 November' }],
  ['2024-02-29T12:00:00.000Z', { kind: 'date', date: '29 February 2024' }],
])('whoever was last seen at %s: %j', (time, parts) => {
  expect(lastSeen(time, NOW, 'en-GB')).toEqual(parts);
});

test('minutes ago are told across midnight', () => {
  expect(lastSeen('2026-11-21T22:55:00.000Z', new Date('2026-11-21T23:05:00.000Z'), 'en-GB')).toEqual({
    kind: 'minutes',
    minutes: 10,
  });
});

test('a whole time says the day and the second', () => {
  expect(plain(absoluteTime('2026-11-22T13:02:03.456Z', 'en-GB'))).toMatch(/^Sunday,? 22 November 2026 at 14:02:03$/);
  expect(plain(absoluteTime('2026-11-22T13:02:03.456Z', 'de'))).toMatch(/^Sonntag, 22\. November 2026 um 14:02:03$/);
});
