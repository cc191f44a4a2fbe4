/** Characters of a text as the server counts them: code points. */
export function lengthOf(text: string): number {
  let surrogatePairs = 0;
  for (let index = 0; index < text.length - 1; index += 1) {
    if ((text.codePointAt(index) ?? 0) > 0xffff) {
      surrogatePairs += 1;
      index += 1;
    }
  }
  return text.length - surrogatePairs;
}
