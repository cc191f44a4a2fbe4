/**
 * The service worker: keeps the files of one build, so that the client opens at once and without a network.
 *
 * Cache first: a page and its scripts always come from one build, and the first paint waits for no network. A new
 * build is fetched beside it, and takes over when the page says so. Everything else goes to the network untouched.
 */
export {};

declare const self: ServiceWorkerGlobalScope;
/** Written by the build: the addresses of its files beside its page, the page's hash, the version of all. */
declare const __FILES__: readonly string[];
declare const __PAGE_INTEGRITY__: string;
declare const __VERSION__: string;

const PREFIX = 'parley-shell-';
const CACHE = PREFIX + __VERSION__;
const PAGE = '/';
const FILES = new Set(__FILES__);
/** The addresses at which the gateway answers with the client; the same as in its `api/client.py`. */
const CLIENT_PAGE = /^\/(?:$|c\/[^/]+$|settings(?:\/[^/]+)?$)/;

self.addEventListener('install', event => {
  event.waitUntil(keepFiles());
});

self.addEventListener('activate', event => {
  event.waitUntil(takeOver());
});

self.addEventListener('message', event => {
  if (event.data === 'skip-waiting') event.waitUntil(self.skipWaiting());
});

self.addEventListener('fetch', event => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== self.location.origin) return;
  if (request.mode === 'navigate') {
    if (CLIENT_PAGE.test(pathname)) event.respondWith(kept(PAGE, request));
  } else if (FILES.has(pathname)) {
    event.respondWith(kept(pathname, request));
  }
});

async function keepFiles(): Promise<void> {
  const cache = await caches.open(CACHE);
  // While gateways of two builds serve side by side, the page of the other one must not be kept with these files.
  await cache.addAll([new Request(PAGE, { integrity: __PAGE_INTEGRITY__ }), ...FILES]);
}

async function takeOver(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

/** Answers with the kept file, or by the network where the browser has thrown the cache away. */
async function kept(path: string, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(path)) ?? fetch(request);
}
