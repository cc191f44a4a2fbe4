import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { watchWakings } from '../src/link/wake';
import { endFakeTimers } from './support/timers';

const told = { onWake: vi.fn<() => void>(), onOnline: vi.fn<() => void>(), onOffline: vi.fn<() => void>() };
let end: () => void;

function show(state: 'visible' | 'hidden'): void {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
  document.dispatchEvent(new Event('visibilitychange'));
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.clearAllMocks();
  end = watchWakings(told);
});

afterEach(async () => {
  end();
  vi.restoreAllMocks();
  await endFakeTimers();
});

describe('wakings', () => {
  it('notices that the machine slept, once', () => {
    vi.advanceTimersByTime(60_000);
    expect(told.onWake).not.toHaveBeenCalled();
    vi.setSystemTime(Date.now() + 30_000);
    vi.advanceTimersByTime(60_000);
    expect(told.onWake).toHaveBeenCalledOnce();
  });

  it('takes a busy machine for no sleep', () => {
    vi.setSystemTime(Date.now() + 15_000);
    vi.advanceTimersByTime(5_000);
    expect(told.onWake).not.toHaveBeenCalled();
  });

  it('notices a page that is shown, not one that is hidden', () => {
    show('hidden');
    expect(told.onWake).not.toHaveBeenCalled();
    show('visible');
    expect(told.onWake).toHaveBeenCalledOnce();
  });

  it('notices a page that comes back out of the cache, not one that is loaded', () => {
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
    expect(told.onWake).not.toHaveBeenCalled();
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    expect(told.onWake).toHaveBeenCalledOnce();
  });

  it('tells what the browser says of the network', () => {
    window.dispatchEvent(new Event('offline'));
    window.dispatchEvent(new Event('online'));
    expect([told.onOffline.mock.calls.length, told.onOnline.mock.calls.length]).toEqual([1, 1]);
  });

  it('is silent, and leaves no timer, after its end', () => {
    end();
    window.dispatchEvent(new Event('online'));
    show('visible');
    expect([told.onOnline.mock.calls.length, told.onWake.mock.calls.length]).toEqual([0, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
