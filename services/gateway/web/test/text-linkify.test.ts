import { describe, expect, test } from 'vitest';
import { linkify } from '../src/text/linkify';

/** The links of a text, and where they lead. */
const links = (text: string): [string, string][] =>
  linkify(text).flatMap(segment => (segment.kind === 'link' ? [[segment.text, segment.href] as [string, string]] : []));
const linked = (text: string): string[] => links(text).map(([shown]) => shown);

describe('links', () => {
  test('are found in a text, which stays whole', () => {
    expect(linkify('see https://a.example/x and www.b.example now')).toEqual([
      { kind: 'text', text: 'see ' },
      { kind: 'link', text: 'https://a.example/x', href: 'https://a.example/x' },
      { kind: 'text', text: ' and ' },
      { kind: 'link', text: 'www.b.example', href: 'https://www.b.example/' },
      { kind: 'text', text: ' now' },
    ]);
  });

  test('are not in every text', () => {
    expect(linkify('nothing here')).toEqual([{ kind: 'text', text: 'nothing here' }]);
    expect(linkify('')).toEqual([]);
  });

  test.each([
    ['HTTPS://A.EXAMPLE/X', 'https://a.example/X'],
    ['http://localhost:8080/p?q=1#f', 'http://localhost:8080/p?q=1#f'],
    ['https://[::1]/x', 'https://[::1]/x'],
    ['https://bücher.example', 'https://xn--bcher-kva.example/'],
    ['https://a.example/ä?ö=ü', 'https://a.example/%C3%A4?%C3%B6=%C3%BC'],
    ['https://a.example/🎉', 'https://a.example/%F0%9F%8E%89'],
  ])('lead where they say: %s', (text, href) => {
    expect(links(text)).toEqual([[text, href]]);
  });

  test.each([
    ['https://a.example.', 'https://a.example'],
    ['https://a.example/x, then', 'https://a.example/x'],
    ['really https://a.example/x?!...', 'https://a.example/x'],
    ['“https://a.example/x”', 'https://a.example/x'],
    ['(see https://a.example/x)', 'https://a.example/x'],
    ['(https://a.example/x_(y))', 'https://a.example/x_(y)'],
    ['https://a.example/x_(y)', 'https://a.example/x_(y)'],
    ['https://a.example/x_(y).)', 'https://a.example/x_(y)'],
    ['[a](https://a.example/x)', 'https://a.example/x'],
    ['https://a.example/(', 'https://a.example/'],
    ['https://a.example/[x]', 'https://a.example/[x]'],
    ['{https://a.example}', 'https://a.example'],
    ['**https://a.example/x**', 'https://a.example/x'],
    ["it's 'https://a.example/it's'", "https://a.example/it's"],
    ['<https://a.example>', 'https://a.example'],
    ['"https://a.example"', 'https://a.example'],
    ['https://a.example/x/', 'https://a.example/x/'],
    ['https://a.example/x-_=&', 'https://a.example/x-_=&'],
  ])('end where the sentence goes on: %s', (text, link) => {
    expect(linked(text)).toEqual([link]);
  });

  test('come more than once', () => {
    expect(linked('http://a.example,http://b.example http://c.example')).toEqual([
      'http://a.example,http://b.example',
      'http://c.example',
    ]);
  });
});

describe('no link is made', () => {
  test.each([
    'javascript:alert(1)',
    'JaVaScRiPt://a.example/%0aalert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'ftp://a.example',
    'mailto:ann@a.example',
    'ann@www.a.example',
    'ann@a.example',
    '//a.example',
    'a.example/x',
    'www.x',
    'www.',
    'www...',
    'http://',
    'https://?',
    'http://:80',
    'xhttp://a.example',
    'ähttps://a.example',
    'http:// a.example',
    'http:/a.example',
    'httpſ://a.example',
    'http://a.example:99999999',
  ])('of %s', text => {
    expect(linkify(text)).toEqual([{ kind: 'text', text }]);
  });

  test.each([
    'https://bank.example@evil.example',
    'https://bank.example:443@evil.example/x',
    'https://@evil.example:80@x.example',
    'www.bank.example@evil.example',
  ])('of an address with a user in it, which deceives: %s', text => {
    expect(linkify(text)).toEqual([{ kind: 'text', text }]);
  });
});

describe('deceiving characters end a link', () => {
  test.each([
    ['direction', 'https://a.example/\u202egpj.exe'],
    ['isolate', 'https://a.example/\u2066x'],
    ['zero width', 'https://a.example/\u200bx'],
    ['control', 'https://a.example/\u0000x'],
    ['backslash', 'https://a.example/\\@evil.example'],
    ['tab', 'https://a.example/\tx'],
    ['no-break space', 'https://a.example/\u00a0x'],
  ])('%s', (_, text) => {
    expect(linked(text)).toEqual(['https://a.example/']);
  });
});

describe('nasty texts', () => {
  /** Ten times what a message may have: what is not linear takes far longer than others. */
  const LENGTH = 80_000;
  const times = (part: string): string => part.repeat(Math.ceil(LENGTH / part.length)).slice(0, LENGTH);

  test.each([
    times('http://'),
    times('www.'),
    times('http://a'),
    times('http://a '),
    times('www.a.b '),
    `http://a.example/${times('(')}`,
    `http://a.example/${times(')')}`,
    `http://a.example/${times('()')}`,
    `http://a.example/${times(')(')}`,
    `http://a.example/${times('.')}`,
    `http://a.example/${times('.)')}`,
    `http://a.example/${times('[(')}`,
    `http://${times('@')}`,
    `http://${times('a@')}`,
    times('h'),
    times('https'),
    times('https:/'),
    times('((((http://'),
    times('"http://a.example"'),
    times('\u202ehttp://a.example'),
    times('👩‍👩‍👧‍👦http://a.example'),
    times('\ud83d'),
  ])(
    'take no longer than others, and stay whole: %#',
    text => {
      const started = performance.now();
      const segments = linkify(text);
      expect(performance.now() - started).toBeLessThan(5_000);
      expect(segments.map(segment => segment.text).join('')).toBe(text);
    },
    30_000,
  );

  test('with links by chance stay whole, and links are http(s) without a user', () => {
    const parts = [
      'http://',
      'https://',
      'www.',
      'a.example',
      '@',
      ':',
      '/',
      '?',
      '(',
      ')',
      '.',
      ' ',
      '"',
      'ä',
      '\\',
      '\n',
      '[',
      ']',
    ];
    let seed = 7;
    const next = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed;
    };
    let found = 0;
    for (let n = 0; n < 3_000; n++) {
      const text = Array.from({ length: 12 }, () => parts[next() % parts.length]).join('');
      const segments = linkify(text);
      expect(segments.map(segment => segment.text).join('')).toBe(text);
      for (const segment of segments) {
        if (segment.kind === 'text') continue;
        found += 1;
        expect(segment.href).toMatch(/^https?:\/\/[^/?#@]+(?:[/?#]|$)/);
      }
    }
    expect(found).toBeGreaterThan(100);
  });
});
