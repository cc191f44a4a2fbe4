import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin, Rolldown } from 'vite';

const TEXT = /\.(?:html|js|css|svg|webmanifest|json|txt)$/;

/**
 * Writes a `.br` and a `.gz` beside every text file which they make smaller.
 *
 * Fails where the scripts that a page needs to begin with are larger than `maxScriptBytes`, gzipped.
 */
export function compressed(maxScriptBytes: number): Plugin {
  return {
    name: 'parley-compressed',
    apply: 'build',
    writeBundle({ dir: directory = 'dist' }, bundle) {
      const first = neededFirst(bundle);
      let scripts = 0;
      let firstScripts = 0;
      for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
        if (!TEXT.test(name)) continue;
        const path = join(directory, name);
        const plain = readFileSync(path);
        const gzip = gzipSync(plain, { level: 9 });
        const brotli = brotliCompressSync(plain, {
          params: {
            [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
            [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
          },
        });
        if (gzip.length < plain.length) writeFileSync(`${path}.gz`, gzip);
        if (brotli.length < plain.length) writeFileSync(`${path}.br`, brotli);
        if (name.startsWith('assets') && name.endsWith('.js')) scripts += gzip.length;
        if (first.has(name)) firstScripts += gzip.length;
      }
      if (firstScripts > maxScriptBytes) {
        this.error(`the first scripts are ${firstScripts} bytes gzipped: more than the ${maxScriptBytes} they may be`);
      }
      this.info(`gzipped scripts: ${firstScripts} of at most ${maxScriptBytes} bytes at first, ${scripts} in all`);
    },
  };
}

/** The scripts which the page names, and all that they import before they run. */
function neededFirst(bundle: Rolldown.OutputBundle): Set<string> {
  const page = bundle['index.html'];
  const html = page?.type === 'asset' ? String(page.source) : '';
  const names = Array.from(html.matchAll(/assets\/[\w.-]+\.js/g), ([name]) => name);
  if (names.length === 0) throw new Error('index.html names no script');
  for (const name of names) {
    const chunk = bundle[name];
    if (chunk?.type === 'chunk') names.push(...chunk.imports.filter(imported => !names.includes(imported)));
  }
  return new Set(names);
}
