import { createHash } from 'node:crypto';
import type { Plugin } from 'vite';

const WORKER = 'sw.js';
const PAGE = 'index.html';
/** Files of `public/` which the page needs offline; icons for home screens it does not. */
const PUBLIC_FILES = ['/icon.svg', '/manifest.webmanifest', '/theme.js'];

/** Writes into the service worker which files make up this build, and a version which changes with any of them. */
export function offlineShell(): Plugin {
  return {
    name: 'parley-offline-shell',
    apply: 'build',
    generateBundle: {
      order: 'post', // index.html is in the bundle only then
      handler(_options, bundle) {
        const worker = bundle[WORKER];
        if (worker?.type !== 'chunk') return this.error(`there is no ${WORKER} in the bundle`);
        if (worker.imports.length > 0) return this.error(`${WORKER} must be one file, but imports ${worker.imports}`);
        const hash = createHash('sha256');
        const assets: string[] = [];
        for (const name of Object.keys(bundle).sort()) {
          const file = bundle[name];
          if (file === undefined) continue;
          hash.update(name).update(file.type === 'chunk' ? file.code : file.source);
          if (name.startsWith('assets/')) assets.push(`/${name}`);
        }
        const page = bundle[PAGE];
        if (page?.type !== 'asset') return this.error(`there is no ${PAGE} in the bundle`);
        const integrity = `sha256-${createHash('sha256').update(page.source).digest('base64')}`;
        worker.code = withValues(worker.code, {
          __FILES__: [...PUBLIC_FILES, ...assets],
          __PAGE_INTEGRITY__: integrity,
          __VERSION__: hash.digest('hex').slice(0, 16),
        });
      },
    },
  };
}

function withValues(code: string, values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values).reduce((written, [name, value]) => {
    if (written.split(name).length !== 2) throw new Error(`${WORKER} must use ${name} exactly once`);
    return written.replace(name, () => JSON.stringify(value));
  }, code);
}
