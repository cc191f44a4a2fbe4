import type { JSX } from 'preact';
import { linkify } from '../../text/linkify';

/** A message's text: text nodes, and links that tell the other site nothing about where they were. */
export function MessageText({ text }: { text: string }): JSX.Element {
  let at = 0;
  return (
    <>
      {linkify(text).map(segment => {
        const key = at;
        at += segment.text.length;
        if (segment.kind === 'text') return segment.text;
        return (
          <a key={key} href={segment.href} target="_blank" rel="noopener noreferrer nofollow">
            {segment.text}
          </a>
        );
      })}
    </>
  );
}
