const MAX_CHARS = 2_500;
const MAX_LINES = 40;
const KEPT_CHARS = 1_200;
const KEPT_LINES = 20;

/** The beginning of a very long text, for a row that does not fill the screen; null where the text is short enough. */
export function shortened(text: string): string | null {
  if (text.length <= MAX_CHARS && lineEnd(text, MAX_LINES) === text.length) return null;
  const end = Math.min(KEPT_CHARS, lineEnd(text, KEPT_LINES));
  const kept = text.slice(0, end);
  const lastSpace = kept.search(/\s\S*$/u);
  const atWord = lastSpace > end / 2 ? kept.slice(0, lastSpace) : kept;
  return `${withoutHalfCharacter(atWord).trimEnd()}…`;
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

function withoutHalfCharacter(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
