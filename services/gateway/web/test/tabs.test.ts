/** The tabs of one browser: one of them leads. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TabMessage } from '../src/app/messages';
import { type Surroundings, Tabs } from '../src/app/tabs';
import { FakeBrowser, type FakeTab } from './support/fake-browser';

const RECONNECT: TabMessage = { kind: 'reconnect' };

let browser: FakeBrowser;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0);
  browser = new FakeBrowser();
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

interface Opened {
  readonly tab: FakeTab;
  readonly tabs: Tabs;
  readonly heard: TabMessage[];
  readonly log: string[];
}

function open(around: Partial<Surroundings> = {}): Opened {
  const tab = browser.open();
  const heard: TabMessage[] = [];
  const log: string[] = [];
  const handlers = {
    onMessage: (message: TabMessage) => heard.push(message),
    onLead: () => log.push('lead'),
    onFollow: () => log.push('follow'),
    onReturn: () => log.push('return'),
    onOutdated: () => log.push('outdated'),
  };
  return { tab, tabs: new Tabs('u1', handlers, { ...tab.surroundings, ...around }), heard, log };
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);
const leaders = (...all: Opened[]) => all.filter(({ tabs }) => tabs.isLeader.value).length;

describe('several tabs', () => {
  it('elect exactly one, for as long as it lives', async () => {
    const [a, b, c] = [open(), open(), open()];
    await pass(60);

    expect([a, b, c].map(({ log }) => log)).toEqual([['lead'], [], []]);
    expect(leaders(a, b, c)).toBe(1);
  });

  it('say things to all others', async () => {
    const [a, b, c] = [open(), open(), open()];
    await pass(1);
    b.tabs.post(RECONNECT);
    await pass(1);

    expect([a.heard, b.heard, c.heard]).toEqual([[RECONNECT], [], [RECONNECT]]);
  });

  it('of which the leading one closes: another one leads at once', async () => {
    const [a, b, c] = [open(), open(), open()];
    await pass(1);
    a.tabs.close();
    await pass(0.01);

    expect([a.log, b.log, c.log]).toEqual([['lead'], ['lead'], []]);
    expect(leaders(a, b, c)).toBe(1);
  });

  it('of which the leading one crashes: another one leads at once', async () => {
    const [a, b] = [open(), open()];
    await pass(1);
    a.tab.crash();
    await pass(0.01);

    expect(b.log).toEqual(['lead']);
  });

  it('of which one is closed before it could lead', async () => {
    const [a, b, c] = [open(), open(), open()];
    await pass(1);
    b.tabs.close();
    a.tabs.close();
    await pass(30);

    expect([b.log, c.log]).toEqual([[], ['lead']]);
    c.tabs.post(RECONNECT);
    await pass(1);
    expect([a.heard, b.heard]).toEqual([[], []]);
  });
});

it.each([0, 1, 2, 3, 4, 5, 6, 7])(
  'a tab that closes %i moments after it could lead does not keep the lock',
  async moments => {
    const [a, b, c] = [open(), open(), open()];
    await pass(1);
    a.tabs.close();
    for (let i = 0; i < moments; i += 1) await Promise.resolve();
    b.tabs.close();
    const log = [...b.log];
    await pass(1);

    expect(b.log).toEqual(log);
    expect(c.log).toEqual(['lead']);
  },
);

describe('a leader that hangs', () => {
  it('is replaced within 15 s by a tab that is looked at, and follows when it goes on', async () => {
    const [a, b, c] = [open(), open(), open()];
    c.tab.isVisible = false;
    await pass(9);
    a.tab.hang();
    await pass(15.1);
    expect([b.log, c.log]).toEqual([['lead'], []]);

    a.tab.goOn();
    await pass(30);
    expect([a.log, b.log, c.log]).toEqual([['lead', 'follow'], ['lead'], []]);
    expect(leaders(a, b, c)).toBe(1);

    b.tabs.close();
    c.tabs.close();
    await pass(1);
    expect(a.log).toEqual(['lead', 'follow', 'lead']);
  });

  it('is replaced by one of the tabs that are looked at, which the others accept', async () => {
    let chance = 0;
    vi.spyOn(Math, 'random').mockImplementation(() => {
      chance = (chance + 0.37) % 1;
      return chance;
    });
    const [a, b, c, d] = [open(), open(), open(), open()];
    await pass(1);
    a.tab.hang();
    await pass(60);

    expect([...b.log, ...c.log, ...d.log]).toEqual(['lead']);
  });

  it('is replaced by the one that it was replaced by before', async () => {
    const [a, b] = [open(), open()];
    await pass(1);
    a.tab.hang();
    await pass(15);
    a.tab.goOn();
    await pass(1);
    b.tab.hang();
    await pass(15.1);

    expect([a.log, b.log]).toEqual([['lead', 'follow', 'lead'], ['lead']]);
  });

  it('stays while no tab is looked at, and is replaced 5 s after one is', async () => {
    const [a, b] = [open(), open()];
    await pass(1);
    b.tab.look(false);
    a.tab.hang();
    await pass(120);
    expect(b.log).toEqual([]);

    b.tab.look(true);
    await pass(5.1);
    expect(b.log).toEqual(['lead']);
  });

  it('is found by a new tab within 5 s', async () => {
    const a = open();
    await pass(1);
    a.tab.hang();
    const b = open();
    await pass(5.1);

    expect(b.log).toEqual(['lead']);
  });

  it('is given time where the whole machine slept', async () => {
    const [a, b] = [open(), open()];
    await pass(12);
    a.tab.hang();
    await pass(10);
    vi.setSystemTime(Date.now() + 3_600_000); // asleep in the middle of waiting for an answer
    await pass(5);
    a.tab.goOn();
    await pass(30);

    expect([a.log, b.log]).toEqual([['lead'], []]);
  });
});

describe('a page that is put aside', () => {
  it('lets another tab lead, hears nothing, and asks again when it is back', async () => {
    const [a, b] = [open(), open()];
    await pass(1);
    a.tab.putAside();
    await pass(1);
    expect([a.log, b.log]).toEqual([['lead', 'follow'], ['lead']]);
    b.tabs.post(RECONNECT);
    a.tabs.post(RECONNECT);
    await pass(60);
    expect([a.heard, b.heard]).toEqual([[], []]);

    a.tab.bringBack();
    await pass(60);
    expect(a.log).toEqual(['lead', 'follow', 'return']);
    b.tabs.post(RECONNECT);
    b.tabs.close();
    await pass(1);
    expect(a.log).toEqual(['lead', 'follow', 'return', 'lead']);
    expect(a.heard).toEqual([RECONNECT]);
  });

  it('waits no more for the lead', async () => {
    const [a, b, c] = [open(), open(), open()];
    await pass(1);
    b.tab.putAside();
    a.tabs.close();
    await pass(60);

    expect([b.log, c.log]).toEqual([[], ['lead']]);
  });

  it('is not confused by its first showing', async () => {
    const a = open();
    a.tab.bringBack();
    await pass(1);

    expect(a.log).toEqual(['lead']);
  });
});

describe('another version of the client', () => {
  /** Take the lock, until it is stolen. */
  async function hold(tab: FakeTab): Promise<void> {
    await tab.surroundings.locks?.request('parley-u1', () => new Promise(() => undefined)).catch(() => undefined);
  }

  /** A tab of that version, which leads if it can. */
  function other(version: number, isLeading: boolean): { heard: { kind: string }[]; tab: FakeTab } {
    const tab = browser.open();
    const heard: { kind: string }[] = [];
    const channel = tab.surroundings.openChannel?.('parley-u1');
    if (isLeading) void hold(tab);
    channel?.addEventListener('message', ({ data }) => {
      heard.push(data);
      if (isLeading && data.kind === 'ping') channel.postMessage({ v: version, kind: 'pong' });
    });
    channel?.postMessage({ v: version, kind: 'message', message: RECONNECT });
    return { heard, tab };
  }

  it('is not listened to, but asked for a sign of life and given one', async () => {
    const a = open();
    await pass(1);
    const { heard, tab } = other(99, false);
    tab.surroundings.openChannel?.('parley-u1').postMessage({ v: 99, kind: 'ping' });
    await pass(1);

    expect(a.heard).toEqual([]);
    expect(heard.map(({ kind }) => kind)).toEqual(['pong']);
  });

  it('leads on if it is newer, and this one is told that it is outdated', async () => {
    other(99, true);
    const a = open();
    await pass(60);

    expect(a.log).toEqual(['outdated']);
  });

  it('is replaced if it is older', async () => {
    other(0, true);
    const a = open();
    await pass(1);

    expect(a.log).toEqual(['lead']);
  });

  it.each([null, 'text', {}, { v: '1', kind: 'message' }, { v: 1, kind: 'message' }, { v: 1, kind: 'else' }])(
    'or whoever else says %j is ignored',
    async data => {
      const a = open();
      browser.open().surroundings.openChannel?.('parley-u1').postMessage(data);
      await pass(1);

      expect([a.heard, a.log]).toEqual([[], ['lead']]);
    },
  );
});

describe('a browser that can not elect', () => {
  it.each([
    ['without locks', { locks: null }],
    ['without channels', { openChannel: null }],
    [
      'that gives out no locks',
      { locks: { request: () => Promise.reject(new DOMException('', 'SecurityError')) } as Surroundings['locks'] },
    ],
  ])('%s: every tab leads by itself, and not before it is made', async (_which, around) => {
    const [a, b] = [open(around), open(around)];
    expect([a.log, b.log]).toEqual([[], []]);
    await pass(60);
    expect([a.log, b.log]).toEqual([['lead'], ['lead']]);

    a.tab.putAside();
    a.tab.bringBack();
    await pass(60);
    expect(a.log).toEqual(['lead', 'follow', 'return', 'lead']);
  });

  it('carries messages all the same, if it has channels', async () => {
    const [a, b] = [open({ locks: null }), open({ locks: null })];
    a.tabs.post(RECONNECT);
    await pass(1);
    expect(b.heard).toEqual([RECONNECT]);
  });

  it('closes a tab before it leads', async () => {
    const a = open({ locks: null });
    a.tabs.close();
    await pass(1);
    expect(a.log).toEqual([]);
  });
});

it('uses what the browser has', async () => {
  const tab = browser.open();
  const { locks, openChannel } = tab.surroundings;
  vi.stubGlobal('navigator', { locks });
  vi.stubGlobal('BroadcastChannel', function channel(name: string) {
    return openChannel?.(name);
  });
  const onLead = vi.fn();
  const tabs = new Tabs('u1', { onMessage: () => undefined, onLead, onFollow: () => undefined });
  const other = open();
  await pass(1);
  expect(onLead).toHaveBeenCalledOnce();
  tabs.close();
  await pass(1);
  expect(other.log).toEqual(['lead']);
});
