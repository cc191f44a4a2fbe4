/** Text with links, as pieces: a view makes text nodes and `<a>` of them. HTML is never built. */

export type Segment =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'link'; readonly text: string; readonly href: string };

/** What may stand for a link: up to white space, quotes, angle brackets, control and direction characters. */
const CANDIDATE =
  /(?<![\p{L}\p{N}_@])(?:https?:\/\/|www\.)[^\s<>"`\\\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069]+/giu;
/** What ends a sentence rather than an address. */
const TRAILING = new Set(".,;:!?'’”»…*|~");
const OPENING_OF: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
const OPENING = new Set(Object.values(OPENING_OF));

/** Split a text at its links, in linear time. The texts of the segments make up the whole text. */
export function linkify(text: string): readonly Segment[] {
  const segments: Segment[] = [];
  let done = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const link = withoutTrailing(match[0]);
    const href = safeHref(link);
    if (href === null) continue;
    if (match.index > done) segments.push({ kind: 'text', text: text.slice(done, match.index) });
    segments.push({ kind: 'link', text: link, href });
    done = match.index + link.length;
  }
  if (done < text.length) segments.push({ kind: 'text', text: text.slice(done) });
  return segments;
}

/** The address of a link, null where it is none or could deceive: http(s) alone, without a user's name in it. */
function safeHref(link: string): string | null {
  const isBare = /^www\./i.test(link);
  const address = isBare ? `https://${link}` : link;
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  if (url.username !== '' || url.password !== '') return null;
  if (isBare && url.hostname.split('.').filter(Boolean).length < 3) return null;
  return url.href;
}

/** Cut off what belongs to the sentence around a link: punctuation, and brackets without their other half. */
function withoutTrailing(link: string): string {
  const count = new Map<string, number>();
  for (const character of link) {
    if (character in OPENING_OF || OPENING.has(character)) count.set(character, (count.get(character) ?? 0) + 1);
  }
  const drop = (character: string): void => void count.set(character, (count.get(character) ?? 0) - 1);
  let end = link.length;
  for (; end > 0; end--) {
    const last = link.charAt(end - 1);
    const opening = OPENING_OF[last];
    if (opening !== undefined) {
      if ((count.get(last) ?? 0) <= (count.get(opening) ?? 0)) break;
      drop(last);
    } else if (OPENING.has(last)) {
      drop(last);
    } else if (!TRAILING.has(last)) {
      break;
    }
  }
  return link.slice(0, end);
}
