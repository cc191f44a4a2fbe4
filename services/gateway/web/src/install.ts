const WORKER = '/sw.js';
const CHECK_EVERY_MS = 60 * 60 * 1000;

/** The part of the browser's Trusted Types which registering a worker needs. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/**
 * Registers the service worker in production builds, where the browser has them.
 *
 * `onUpdate` is called when a newer build waits; the function it is given lets the new one take over, after which
 * every open tab reloads once.
 */
export function installServiceWorker(onUpdate: (apply: () => void) => void): void {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  reloadOnTakeover(navigator.serviceWorker);
  navigator.serviceWorker.register(workerUrl()).then(
    registration => watch(registration, onUpdate),
    // Without a worker (a private window may refuse one) the client works, only not offline.
    () => undefined,
  );
}

function reloadOnTakeover(workers: ServiceWorkerContainer): void {
  let isControlled = workers.controller !== null;
  let isReloading = false;
  workers.addEventListener('controllerchange', () => {
    if (isControlled && !isReloading) {
      isReloading = true;
      location.reload();
    }
    isControlled = true; // the first worker takes over a page of its own build: nothing to reload
  });
}

function watch(registration: ServiceWorkerRegistration, onUpdate: (apply: () => void) => void): void {
  // Whichever waits by then: a build may be overtaken by the next one.
  const announce = (): void => onUpdate(() => registration.waiting?.postMessage('skip-waiting'));
  if (registration.active && registration.waiting) announce();
  registration.addEventListener('updatefound', () => {
    const worker = registration.installing;
    worker?.addEventListener('statechange', () => {
      if (worker.state === 'installed' && registration.active) announce();
    });
  });
  checkNowAndThen(registration);
}

/** Looks for a new build when the page comes back into view; browsers look by themselves only when a page opens. */
function checkNowAndThen(registration: ServiceWorkerRegistration): void {
  let checkedAt = Date.now();
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible' || Date.now() - checkedAt < CHECK_EVERY_MS) return;
    checkedAt = Date.now();
    registration.update().catch(() => undefined); // offline: the next time will do
  });
}

/** The worker's address as `require-trusted-types-for 'script'` wants it; plain where browsers lack Trusted Types. */
function workerUrl(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy('parley-sw', {
    createScriptURL(url) {
      if (url !== WORKER) throw new TypeError(`${url} is not the service worker`);
      return url;
    },
  });
  return policy ? policy.createScriptURL(WORKER) : WORKER;
}
