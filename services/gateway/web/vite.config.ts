import preact from '@preact/preset-vite';
import type { ProxyOptions } from 'vite';
import { defineConfig } from 'vitest/config';
import { compressed } from './plugins/compress.ts';
import { offlineShell } from './plugins/shell.ts';

/** The running gateway which the development server passes requests on to. */
const GATEWAY = `http://127.0.0.1:${process.env['PARLEY_PORT'] ?? 8080}`;
/** What a page needs to begin with, gzipped. */
const MAX_SCRIPT_BYTES = 60 * 1024;

/** Fetched when it is first shown; all the rest is one file, which compresses better than many. */
const LATER = /\/src\/(?:ui\/settings|i18n\/de|ui\/shell\/(?:switcher|help)|ui\/conversation\/(?:info-|date-dialog))/;
const WORKER = /\/src\/sw\.ts$/;

export default defineConfig({
  plugins: [preact(), offlineShell(), compressed(MAX_SCRIPT_BYTES)],
  server: {
    host: '127.0.0.1',
    proxy: { '^/(api|messages|schema|health|problems)(/|$)': toGateway(), '^/ws$': toGateway() },
  },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // no data: addresses, which the page's policy refuses
    modulePreload: false,
    rolldownOptions: {
      input: { main: 'index.html', sw: 'src/sw.ts' },
      output: {
        entryFileNames: chunk => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
        codeSplitting: {
          groups: [{ name: 'client', test: id => !LATER.test(id) && !WORKER.test(id) }],
        },
      },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['test/**/*.test.{ts,tsx}'],
    passWithNoTests: true,
    css: { include: [/tokens\.css/] }, // a test computes the contrast of its colours; others are empty to tests
  },
});

/** Passes on under the gateway's own origin: it takes requests that change something from its own pages alone. */
function toGateway(): ProxyOptions {
  return { target: GATEWAY, ws: true, changeOrigin: true, headers: { origin: GATEWAY } };
}
