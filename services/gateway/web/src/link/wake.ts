/** Notices when the machine, the network or the page comes back: then a link may be dead without a word. */

const TICK_MS = 5_000;
/** A timer so late was not just busy: the machine slept. */
const SLEPT_MS = 20_000;

export interface Wakings {
  /** The machine slept, or the page was shown again: what was open may be dead, what waits should not wait. */
  readonly onWake: () => void;
  /** The browser says that there is a network again. */
  readonly onOnline: () => void;
  /** The browser says that there is none; it may be wrong. */
  readonly onOffline: () => void;
}

/** Tell of wakings until the returned function is called. */
export function watchWakings({ onWake, onOnline, onOffline }: Wakings): () => void {
  const listeners = new AbortController();
  const { signal } = listeners;
  const onVisibility = (): void => {
    if (document.visibilityState === 'visible') onWake();
  };
  const onShow = (event: PageTransitionEvent): void => {
    if (event.persisted) onWake();
  };
  window.addEventListener('online', onOnline, { signal });
  window.addEventListener('offline', onOffline, { signal });
  window.addEventListener('pageshow', onShow, { signal });
  document.addEventListener('visibilitychange', onVisibility, { signal });
  const stopClock = watchClock(onWake);
  return () => {
    listeners.abort();
    stopClock();
  };
}

/** A chain of timers; an interval would fire in a burst after a sleep. */
function watchClock(onWake: () => void): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const tick = (dueMs: number): void => {
    timer = setTimeout(() => {
      const now = Date.now();
      tick(now + TICK_MS);
      if (now - dueMs > SLEPT_MS) onWake();
    }, TICK_MS);
  };
  tick(Date.now() + TICK_MS);
  return () => clearTimeout(timer);
}
