import preact from '@preact/preset-vite';
import { defineConfig } from 'vitest/config';
import { compressed } from './plugins/compress.ts';
import { offlineShell } from './plugins/shell.ts';

const GATEWAY = process.env['PARLEY_GATEWAY'] ?? 'http://127.0.0.1:8000';
const MAX_SCRIPT_BYTES = 60 * 1024;

export default defineConfig({
  plugins: [preact(), offlineShell(), compressed(MAX_SCRIPT_BYTES)],
  server: {
    host: '127.0.0.1',
    proxy: { '/api': GATEWAY, '/health': GATEWAY, '/problems': GATEWAY, '/ws': { target: GATEWAY, ws: true } },
  },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // no data: addresses, which the page's policy refuses
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: { main: 'index.html', sw: 'src/sw.ts' },
      output: { entryFileNames: chunk => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
  test: { environment: 'happy-dom', include: ['test/**/*.test.{ts,tsx}'], passWithNoTests: true },
});
