/** How people are told apart at a glance. */

const HUES = 8;
const segmenter = new Intl.Segmenter();

/** The class that sets `--hue` and `--name`, always the same for a username. */
export function hueClass(username: string): string {
  let hash = 2166136261;
  for (const character of username) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  return `hue-${(hash >>> 0) % HUES}`;
}

/** One or two letters for an avatar: "Ann Lee" is AL, "ann" is A. */
export function initials(name: string): string {
  const parts = name.trim().split(/\s+/u);
  const chosen = parts.length > 1 ? [parts[0], parts.at(-1)] : parts;
  return chosen
    .map(part => firstCharacter(part ?? ''))
    .join('')
    .toLocaleUpperCase();
}

/** What a person sees as one character, which may be many code points (a flag, an emoji of a family). */
function firstCharacter(text: string): string {
  for (const { segment } of segmenter.segment(text)) return segment;
  return '';
}
