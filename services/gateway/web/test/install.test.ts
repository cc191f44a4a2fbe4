import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { installServiceWorker } from '../src/install';

const HOUR_MS = 60 * 60 * 1000;

class FakeWorker extends EventTarget {
  state = 'installing';
  readonly postMessage = vi.fn();

  become(state: string): void {
    this.state = state;
    this.dispatchEvent(new Event('statechange'));
  }
}

class FakeRegistration extends EventTarget {
  active: FakeWorker | null = null;
  waiting: FakeWorker | null = null;
  installing: FakeWorker | null = null;
  readonly update = vi.fn(async () => undefined);

  /** A newer build is found, and installed. */
  find(): FakeWorker {
    const worker = new FakeWorker();
    this.installing = worker;
    this.dispatchEvent(new Event('updatefound'));
    this.installing = null;
    this.waiting = worker;
    worker.become('installed');
    return worker;
  }
}

class FakeContainer extends EventTarget {
  controller: FakeWorker | null = null;
  readonly registration = new FakeRegistration();
  readonly register = vi.fn<(url: string) => Promise<FakeRegistration>>(async () => this.registration);
}

describe('installServiceWorker', () => {
  const reload = vi.fn();
  let workers: FakeContainer;

  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubEnv('PROD', true);
    workers = new FakeContainer();
    vi.stubGlobal('navigator', { serviceWorker: workers });
    vi.stubGlobal('location', { reload });
  });

  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
    vi.resetAllMocks();
  });

  async function installed(): Promise<{ updates: (() => void)[] }> {
    const updates: (() => void)[] = [];
    installServiceWorker(apply => updates.push(apply));
    await vi.advanceTimersByTimeAsync(0);
    return { updates };
  }

  it('does nothing while one develops', async () => {
    vi.stubEnv('PROD', false);
    await installed();
    expect(workers.register).not.toHaveBeenCalled();
  });

  it('names the worker by a policy that knows no other address', async () => {
    const createPolicy = vi.fn((_name: string, rules: { createScriptURL(url: string): string }) => {
      expect(() => rules.createScriptURL('/other.js')).toThrow(TypeError);
      return { createScriptURL: (url: string) => `trusted ${rules.createScriptURL(url)}` };
    });
    vi.stubGlobal('trustedTypes', { createPolicy });
    await installed();
    expect(createPolicy.mock.calls[0]?.[0]).toBe('parley-sw');
    expect(workers.register).toHaveBeenCalledWith('trusted /sw.js');
  });

  it('lives without a worker where the browser refuses one', async () => {
    workers.register.mockRejectedValueOnce(new Error('refused'));
    expect((await installed()).updates).toEqual([]);
  });

  it('is silent about the first worker, and does not reload for it', async () => {
    const { updates } = await installed();
    workers.registration.find();
    workers.dispatchEvent(new Event('controllerchange'));
    expect(updates).toEqual([]);
    expect(reload).not.toHaveBeenCalled();
  });

  it('tells of a build that waits already', async () => {
    workers.registration.active = new FakeWorker();
    workers.registration.waiting = new FakeWorker();
    expect((await installed()).updates).toHaveLength(1);
  });

  it('lets in the build that waits now, and reloads once', async () => {
    workers.controller = new FakeWorker();
    workers.registration.active = workers.controller;
    const { updates } = await installed();
    const overtaken = workers.registration.find();
    const newest = workers.registration.find();
    expect(updates).toHaveLength(2);
    updates[0]?.();
    expect(newest.postMessage).toHaveBeenCalledExactlyOnceWith('skip-waiting');
    expect(overtaken.postMessage).not.toHaveBeenCalled();
    expect(reload).not.toHaveBeenCalled();
    workers.dispatchEvent(new Event('controllerchange'));
    workers.dispatchEvent(new Event('controllerchange'));
    expect(reload).toHaveBeenCalledTimes(1);
  });

  it('looks for a newer build when the page is seen again after an hour, once', async () => {
    await installed();
    const { update } = workers.registration;
    const seen = (): boolean => document.dispatchEvent(new Event('visibilitychange'));
    vi.advanceTimersByTime(HOUR_MS - 1);
    seen();
    expect(update).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    update.mockRejectedValueOnce(new TypeError('offline'));
    seen();
    seen();
    expect(update).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(0);
  });
});
