const LONG_MS = 500;
const MOVED_PX = 10;

/**
 * Calls back when a finger rests on an element of the container, for browsers that send no `contextmenu` then. The
 * click that follows is swallowed. Returns what ends it.
 */
export function onLongPress(container: HTMLElement, act: (target: Element, x: number, y: number) => void): () => void {
  const controller = new AbortController();
  const options = { signal: controller.signal, passive: true } as const;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let start: Touch | undefined;
  let hasActed = false;
  const cancel = (): void => clearTimeout(timer);
  const begin = (event: TouchEvent): void => {
    cancel();
    hasActed = false;
    start = event.touches.length === 1 ? event.touches[0] : undefined;
    if (!start) return;
    const { target, clientX, clientY } = start;
    timer = setTimeout(() => {
      hasActed = true;
      act(target as Element, clientX, clientY);
    }, LONG_MS);
  };
  const move = (event: TouchEvent): void => {
    const now = event.touches[0];
    if (start && now && Math.hypot(now.clientX - start.clientX, now.clientY - start.clientY) > MOVED_PX) cancel();
  };
  container.addEventListener('touchstart', begin, options);
  container.addEventListener('touchmove', move, options);
  container.addEventListener('touchend', cancel, options);
  container.addEventListener('touchcancel', cancel, options);
  container.addEventListener('contextmenu', cancel, options); // the browser has its own long press
  container.addEventListener(
    'click',
    event => {
      if (!hasActed) return;
      hasActed = false;
      event.preventDefault();
      event.stopPropagation();
    },
    { signal: controller.signal, capture: true },
  );
  return () => {
    cancel();
    controller.abort();
  };
}
