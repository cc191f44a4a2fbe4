import { expect, test } from 'vitest';
import tokens from '../src/ui/styles/tokens.css?raw';

type Theme = 'light' | 'dark';

const TEXT = 4.5;
const SHAPE = 3;
const SURFACES = ['bg', 'side', 'wall', 'hover', 'selected', 'field', 'bubble-in', 'bubble-out', 'pill'];
const LIST = ['side', 'hover', 'selected'];
const HUES = ['0', '1', '2', '3', '4', '5', '6', '7'];

/** Text, or a shape, and what it stands on. */
const PAIRS: readonly (readonly [foreground: string, backgrounds: readonly string[], least: number])[] = [
  ['ink', SURFACES, TEXT],
  ['dim', ['bg', 'wall', 'field', 'bubble-in', ...LIST], TEXT],
  ['bubble-in-dim', ['bubble-in'], TEXT],
  ['bubble-out-dim', ['bubble-out'], TEXT],
  ['link', ['bg', 'bubble-in', ...LIST], TEXT],
  ['bubble-out-link', ['bubble-out'], TEXT],
  ['accent-ink', ['accent', 'accent-hover', 'badge-muted'], TEXT],
  ['bad', ['bg', 'wall', 'bubble-in', ...LIST], TEXT],
  ['warn-ink', ['warn'], TEXT],
  ...HUES.map(hue => [`name-${hue}`, ['bg', 'bubble-in'], TEXT] as const),
  ['bad', ['bubble-out'], SHAPE],
  ['read', ['bubble-out', ...LIST], SHAPE],
  ['focus', ['bg', 'wall', 'field', 'bubble-in', 'bubble-out', ...LIST], SHAPE],
  ['field-line', ['bg'], SHAPE],
  ['accent', ['bg'], SHAPE],
  ['online', LIST, SHAPE],
  ['away', LIST, SHAPE],
];

const CASES = (['light', 'dark'] as const).flatMap(theme =>
  PAIRS.flatMap(([foreground, backgrounds, least]) =>
    [...new Set(backgrounds)].map(background => ({ theme, foreground, background, least })),
  ),
);

test.each(CASES)('$theme: $foreground on $background', ({ theme, foreground, background, least }) => {
  expect(contrast(colour(foreground, theme), colour(background, theme))).toBeGreaterThanOrEqual(least);
});

test.each(HUES)('white letters on hue %s', hue => {
  expect(contrast([255, 255, 255], colour(`hue-${hue}`, 'light'))).toBeGreaterThanOrEqual(TEXT);
});

test('the contrast of black and white is 21', () => {
  expect(contrast([0, 0, 0], [255, 255, 255])).toBeCloseTo(21);
});

/** The first definition of a token: the one outside of media queries. */
function colour(name: string, theme: Theme): readonly number[] {
  const value = new RegExp(`--${name}:\\s*([^;]+);`).exec(tokens)?.[1] ?? '';
  const alias = /^var\(--([\w-]+)\)$/.exec(value)?.[1];
  if (alias) return colour(alias, theme);
  const both = value.match(/#[0-9a-f]{6}/g) ?? [];
  const hex = theme === 'dark' ? both.at(-1) : both[0];
  if (!hex) throw new Error(`--${name} is no colour: ${value}`);
  return [1, 3, 5].map(at => Number.parseInt(hex.slice(at, at + 2), 16));
}

function contrast(one: readonly number[], other: readonly number[]): number {
  const [lighter = 0, darker = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

/** Relative luminance, as WCAG 2 defines it. */
function luminance(channels: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = channels.map(channel => {
    const part = channel / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
