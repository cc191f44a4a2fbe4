import { vi } from 'vitest';

/** Go back to the real clock. What should have ended by now must have left no timer behind. */
export async function endFakeTimers(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
  const left = vi.getTimerCount();
  vi.unstubAllGlobals();
  vi.useRealTimers();
  if (left > 0) throw new Error(`${left} timers are left`);
}
