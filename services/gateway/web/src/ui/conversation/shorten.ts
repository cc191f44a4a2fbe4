const MAX_CHARS = 2_500;
const MAX_LINES = 40;
const KEPT_CHARS = 1_200;
const KEPT_LINES = 20;

/** The beginning of a very long text, for a row that does not fill the screen; null where the text is short enough. */
export function shortened(text: string): string | null {
  if (text.length <= MAX_CHARS && lineEnd(text, MAX_LINES) === text.length) return null;
  const end = lineEnd(text, KEPT_LINES);
  const kept = end <= KEPT_CHARS ? text.slice(0, end) : atWord(text.slice(0, KEPT_CHARS));
  return `${kept.trimEnd()}…`;
}

/** Where line `count` ends; the end of the text where there are fewer. */
function lineEnd(text: string, count: number): number {
  let end = -1;
  for (let line = 0; line < count; line += 1) {
    end = text.indexOf('\n', end + 1);
    if (end < 0) return text.length;
  }
  return end;
}

/** Without the word that was cut in two, and never half a character. */
function atWord(text: string): string {
  const lastSpace = text.search(/\s\S*$/u);
  return lastSpace > text.length / 2 ? text.slice(0, lastSpace) : text.replace(/[\ud800-\udbff]$/, '');
}
