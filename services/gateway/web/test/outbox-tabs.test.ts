/** Several tabs share an outbox while everything goes wrong: each message arrives once, in order. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TabMessage } from '../src/app/messages';
import { Outbox } from '../src/app/outbox';
import { Tabs } from '../src/app/tabs';
import type { SendFrame } from '../src/protocol';
import { StorageError } from '../src/storage/storage';
import { FakeBrowser, type FakeTab } from './support/fake-browser';
import { FakeDisk } from './support/fake-disk';
import { type Connection, FakeGateway } from './support/fake-gateway';
import { ANN } from './support/samples';

const SEEDS = 60;
const EVENTS = 60;
/** Its messages are refused for good at first, and tried again in the end. */
const REFUSED = 'x';

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-22T10:00:00.000Z') });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A small generator of chance (mulberry32), the same for the same seed. */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A tab of the client, with a link that connects again and again while the tab leads. */
class ClientTab {
  readonly tab: FakeTab;
  readonly sent: SendFrame[] = [];
  isGone = false;
  isHanging = false;
  isAside = false;
  readonly #world: World;
  #outbox: Outbox | null = null;
  #tabs: Tabs | null = null;
  #connection: Connection | null = null;

  constructor(world: World) {
    this.#world = world;
    this.tab = world.browser.open();
  }

  async start(): Promise<void> {
    const { disk, random } = this.#world;
    const host = {
      me: () => ANN,
      send: (frame: SendFrame) => {
        const isSent = this.#connection?.send(frame) ?? false;
        if (isSent) this.sent.push(frame);
        return isSent;
      },
      onStored: () => undefined,
      tell: (change: Extract<TabMessage, { kind: 'outbox' }>['change']) => this.#tabs?.post({ kind: 'outbox', change }),
    };
    const outbox = await Outbox.open(
      disk.storage(() => this.isGone),
      host,
      random,
    );
    if (this.isGone) return;
    this.#outbox = outbox;
    this.#tabs = new Tabs(
      ANN.id,
      {
        onMessage: message => message.kind === 'outbox' && outbox.applyChange(message.change),
        onLead: () => {
          outbox.lead();
          this.#connect();
        },
        onFollow: () => {
          outbox.follow();
          this.#disconnect();
        },
        onReturn: () => void outbox.refresh(),
      },
      this.tab.surroundings,
    );
    void outbox.refresh();
  }

  get outbox(): Outbox | null {
    return this.isGone ? null : this.#outbox;
  }

  get isLeader(): boolean {
    return !this.isGone && (this.#tabs?.isLeader.peek() ?? false);
  }

  #connect(): void {
    const connection = this.#world.gateway.connect({
      onOpen: () => this.#outbox?.connected(true),
      onFrame: frame => this.#outbox?.onFrame(frame, true),
      onEnd: () => {
        this.#outbox?.connected(false);
        this.#world.gateway.after(2_000, () => this.isLeader && this.#connection === connection && this.#connect());
      },
    });
    this.#connection = connection;
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = null;
    if (connection) connection.end();
  }

  async write(conversationId: string, content: string): Promise<boolean> {
    return Boolean(await this.#outbox?.add({ conversationId, to: null, content, replyTo: null, seenSeq: null }));
  }

  close(): void {
    this.isGone = true;
    this.#tabs?.close();
    this.#outbox?.close();
    this.#disconnect();
    this.tab.crash();
  }

  /** Nothing of it runs any more, in the middle of whatever it did. */
  crash(): void {
    this.isGone = true;
    this.tab.crash();
    this.#outbox?.close();
    if (this.#connection) this.#connection.isOpen = false;
  }
}

class World {
  readonly random: () => number;
  readonly browser = new FakeBrowser();
  readonly disk = new FakeDisk();
  readonly gateway: FakeGateway;
  readonly tabs: ClientTab[] = [];
  /** Stored, so that it has to arrive, by conversation. */
  readonly kept = new Set<string>();
  #written = 0;

  constructor(seed: number) {
    this.random = chances(seed);
    this.gateway = new FakeGateway(this.random);
    this.gateway.refuses = ({ conversation_id: id }) => this.gateway.isMoody && id === REFUSED;
    this.browser.latency = () => Math.ceil(this.random() * 15);
    this.disk.latency = () => Math.ceil(this.random() * 5);
  }

  get open(): ClientTab[] {
    return this.tabs.filter(({ isGone }) => !isGone);
  }

  get usable(): ClientTab[] {
    return this.open.filter(({ isHanging, isAside, outbox }) => !isHanging && !isAside && outbox);
  }

  pick<T>(all: readonly T[]): T | undefined {
    return all[Math.floor(this.random() * all.length)];
  }

  async openTab(): Promise<void> {
    const tab = new ClientTab(this);
    this.tabs.push(tab);
    await Promise.race([tab.start(), vi.advanceTimersByTimeAsync(200)]);
  }

  /** Somebody writes, and then waits a moment: what they write in two tabs at once has no order. */
  async write(): Promise<void> {
    const tab = this.pick(this.usable);
    const conversationId = this.pick(['a', 'b', 'c', REFUSED]) ?? 'a';
    this.#written += 1;
    const content = `${conversationId} ${this.#written}`;
    void this.#type(tab, conversationId, content);
    if (this.random() < 0.1) {
      await vi.advanceTimersByTimeAsync(this.pick([0, 1, 3, 10]) ?? 0);
      tab?.crash();
    }
    await vi.advanceTimersByTimeAsync(60);
  }

  /** Who is refused, because the tab closes, still has what they wrote. */
  async #type(tab: ClientTab | undefined, conversationId: string, content: string): Promise<void> {
    try {
      if (await tab?.write(conversationId, content)) this.kept.add(content);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }

  async step(): Promise<void> {
    const what = this.random();
    const tab = this.pick(this.open);
    if (what < 0.45) await this.write();
    else if (what < 0.55) this.gateway.current?.end();
    else if (what < 0.65 && this.open.length < 4) await this.openTab();
    else if (what < 0.7) tab?.close();
    else if (what < 0.75) tab?.crash();
    else if (what < 0.8) this.hang(tab);
    else if (what < 0.85) this.goOn(tab);
    else if (what < 0.9) this.putAside(tab);
    else if (what < 0.95) this.bringBack(tab);
    else if (tab && !tab.isHanging && !tab.isAside) tab.tab.look(this.random() < 0.7);
    await vi.advanceTimersByTimeAsync(this.pick([0, 20, 200, 2_000, 8_000]) ?? 0);
  }

  hang(tab: ClientTab | undefined): void {
    if (!tab || tab.isAside) return;
    tab.isHanging = true;
    tab.tab.hang();
  }

  goOn(tab: ClientTab | undefined): void {
    if (!tab?.isHanging) return;
    tab.isHanging = false;
    tab.tab.goOn();
  }

  putAside(tab: ClientTab | undefined): void {
    if (!tab || tab.isHanging || tab.isAside) return;
    tab.isAside = true;
    tab.tab.putAside();
  }

  bringBack(tab: ClientTab | undefined): void {
    if (!tab?.isAside) return;
    tab.isAside = false;
    tab.tab.bringBack();
  }

  /** All is well again, for long enough. */
  async calm(): Promise<void> {
    this.gateway.isMoody = false;
    for (const tab of this.open) {
      this.goOn(tab);
      this.bringBack(tab);
      tab.tab.look(true);
    }
    await this.openTab();
    await vi.advanceTimersByTimeAsync(200_000);
    for (const { outbox } of this.open) void outbox?.retryAll();
    await vi.advanceTimersByTimeAsync(100_000);
  }
}

const numberOf = (content: string) => Number(content.split(' ')[1]);

describe('whatever happens', () => {
  it.each(Array.from({ length: SEEDS }, (_, i) => i + 1))(
    'each message arrives once, in order (seed %i)',
    async seed => {
      const world = new World(seed);
      await world.openTab();
      for (let i = 0; i < EVENTS; i += 1) await world.step();
      const waiting = [...world.disk.entries.values()].map(({ content }) => content);
      await world.calm();

      const arrived = world.gateway.stored.map(({ content }) => content);
      expect(new Set(arrived).size).toBe(arrived.length);
      for (const content of [...world.kept, ...waiting]) expect(arrived).toContain(content);
      for (const conversation of ['a', 'b', 'c']) {
        const numbers = arrived
          .filter(content => content.startsWith(conversation) && world.kept.has(content))
          .map(numberOf);
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
      }
      expect(world.disk.entries.size).toBe(0);
      expect(world.open.filter(({ isLeader }) => isLeader)).toHaveLength(1);
      for (const { outbox } of world.open) expect(outbox?.entries.peek()).toEqual([]);
    },
  );
});
