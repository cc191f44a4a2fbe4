/** What the browser's profile remembers beside the stores of its users. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type * as local from '../src/storage/local';
import { ANN } from './support/samples';

/** As another page load would see it. */
async function load(): Promise<typeof local> {
  vi.resetModules();
  return import('../src/storage/local');
}

beforeEach(() => {
  localStorage.clear();
  vi.stubGlobal('BroadcastChannel', () => undefined);
  vi.stubGlobal('navigator', { locks: { request: () => undefined } });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe('the last user', () => {
  it('is remembered until forgotten', async () => {
    (await load()).rememberUser(ANN);
    expect((await load()).rememberedUser()).toEqual(ANN);
    (await load()).forgetUser();
    expect((await load()).rememberedUser()).toBeNull();
  });

  it.each(['{', 'null', '7', '{}', '{"id":"u","username":"ann","display_name":"Ann"}'])(
    'is nobody where %s was stored',
    async text => {
      localStorage.setItem('parley-user', text);
      expect((await load()).rememberedUser()).toBeNull();
    },
  );

  it('is nobody where storage is disabled', async () => {
    vi.stubGlobal('localStorage', undefined);
    const tab = await load();
    tab.rememberUser(ANN);
    tab.forgetUser();
    expect(tab.rememberedUser()).toBeNull();
  });
});

describe('the device', () => {
  it('is the same in all tabs and at every visit', async () => {
    const id = (await load()).deviceId();
    expect(id).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect((await load()).deviceId()).toBe(id);
  });

  it.each(['locks', 'BroadcastChannel'])('is another in every tab without %s', async missing => {
    if (missing === 'locks') vi.stubGlobal('navigator', {});
    else vi.stubGlobal(missing, undefined);
    const [one, other] = [await load(), await load()];

    expect(one.deviceId()).not.toBe(other.deviceId());
    expect(one.deviceId()).toBe(one.deviceId());
  });

  it('stays the same in a tab where storage is disabled', async () => {
    vi.stubGlobal('localStorage', undefined);
    const tab = await load();
    expect(tab.deviceId()).toBe(tab.deviceId());
  });
});
