import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const TEXT = /\.(?:html|js|css|svg|webmanifest|json|txt)$/;

/**
 * Writes a `.br` and a `.gz` beside every text file which they make smaller.
 *
 * Fails where the page's scripts together are larger than `maxScriptBytes`, gzipped.
 */
export function compressed(maxScriptBytes: number): Plugin {
  return {
    name: 'parley-compressed',
    apply: 'build',
    writeBundle({ dir: directory = 'dist' }) {
      let scripts = 0;
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
      }
      if (scripts > maxScriptBytes) {
        this.error(`the scripts are ${scripts} bytes gzipped: more than the ${maxScriptBytes} they may be`);
      }
      this.info(`all scripts: ${scripts} of at most ${maxScriptBytes} bytes, gzipped`);
    },
  };
}
