/** A browser with several tabs, as far as locks and channels go: each tab may close, hang, crash or be put aside. */

import type { Channel, Surroundings } from '../../src/app/tabs';

interface Request {
  readonly tab: FakeTab;
  readonly callback: LockGrantedCallback<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Locks and channels are shared by the tabs; what a tab says arrives a moment later. */
export class FakeBrowser {
  readonly tabs: FakeTab[] = [];
  /** How long a message to another tab takes, in ms. */
  latency: () => number = () => 1;
  #holder: Request | null = null;
  #queue: Request[] = [];

  open(): FakeTab {
    const tab = new FakeTab(this);
    this.tabs.push(tab);
    return tab;
  }

  /** As the specification has it, for one exclusive lock. */
  request(tab: FakeTab, options: LockOptions, callback: Request['callback']): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request = { tab, callback, resolve, reject };
      const { signal } = options;
      if (options.steal) {
        if (signal) throw new DOMException('steal and signal', 'NotSupportedError');
        const robbed = this.#holder;
        this.#holder = null;
        this.#queue.unshift(request);
        robbed?.tab.run(() => robbed.reject(new DOMException('stolen', 'AbortError')));
      } else {
        if (signal?.aborted) throw signal.reason;
        this.#queue.push(request);
        signal?.addEventListener('abort', () => {
          if (!this.#queue.includes(request)) return;
          this.#queue = this.#queue.filter(other => other !== request);
          reject(signal.reason);
        });
      }
      this.#grant();
    });
  }

  /** A tab is gone with all that it held and asked for. */
  forget(tab: FakeTab): void {
    this.#queue = this.#queue.filter(request => request.tab !== tab);
    if (this.#holder?.tab === tab) this.#holder = null;
    this.#grant();
  }

  #grant(): void {
    const request = this.#holder ? undefined : this.#queue.shift();
    if (!request) return;
    this.#holder = request;
    request.tab.run(() => void this.#hold(request));
  }

  async #hold(request: Request): Promise<void> {
    let result: unknown;
    try {
      result = await request.callback({ mode: 'exclusive', name: '' });
      request.resolve(result);
    } catch (error) {
      request.reject(error);
    }
    if (this.#holder !== request) return; // stolen meanwhile
    this.#holder = null;
    this.#grant();
  }
}

export class FakeTab {
  readonly page = new EventTarget();
  isVisible = true;
  readonly #browser: FakeBrowser;
  readonly #channels = new Set<FakeChannel>();
  /** What happens to a tab that hangs waits until it goes on. */
  #waiting: (() => void)[] | null = null;
  #isGone = false;

  constructor(browser: FakeBrowser) {
    this.#browser = browser;
  }

  get surroundings(): Surroundings {
    return {
      locks: {
        request: (_name: string, options: LockOptions | LockGrantedCallback<unknown>, callback?: unknown) =>
          typeof options === 'function'
            ? this.#request({}, options)
            : this.#request(options, callback as LockGrantedCallback<unknown>),
      } as Surroundings['locks'],
      openChannel: () => this.#openChannel(),
      page: this.page,
      isVisible: () => this.isVisible,
    };
  }

  async #request(options: LockOptions, callback: LockGrantedCallback<unknown>): Promise<unknown> {
    await new Promise<void>(resolve => this.run(resolve));
    return this.#browser.request(this, options, callback);
  }

  #openChannel(): Channel {
    const send = (data: unknown): void => {
      for (const other of this.#browser.tabs) if (other !== this) other.#hear(data, this.#browser.latency());
    };
    const channel = new FakeChannel(
      data => this.run(() => send(data)),
      () => this.#channels.delete(channel),
    );
    this.#channels.add(channel);
    return channel;
  }

  #hear(data: unknown, afterMs: number): void {
    for (const channel of this.#channels) {
      const copy = structuredClone(data);
      setTimeout(() => this.run(() => channel.deliver(copy)), afterMs);
    }
  }

  /** Do something in the tab, in a task of its own, unless it hangs or is gone. */
  run(task: () => void): void {
    if (this.#isGone) return;
    if (this.#waiting) this.#waiting.push(task);
    else queueMicrotask(task);
  }

  hang(): void {
    this.#waiting ??= [];
  }

  goOn(): void {
    const tasks = this.#waiting ?? [];
    this.#waiting = null;
    for (const task of tasks) this.run(task);
  }

  /** Nothing of the tab runs any more; the browser frees its locks. */
  crash(): void {
    this.#isGone = true;
    this.#channels.clear();
    this.#browser.forget(this);
  }

  /** The page is left, and kept for the way back. */
  putAside(): void {
    this.page.dispatchEvent(new Event('pagehide'));
  }

  bringBack(): void {
    this.page.dispatchEvent(new Event('pageshow'));
  }

  look(isVisible: boolean): void {
    this.isVisible = isVisible;
    this.page.dispatchEvent(new Event('visibilitychange'));
  }
}

class FakeChannel extends EventTarget {
  readonly #send: (data: unknown) => void;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(send: (data: unknown) => void, onClose: () => void) {
    super();
    this.#send = send;
    this.#onClose = onClose;
  }

  postMessage(data: unknown): void {
    if (this.#isClosed) throw new DOMException('closed', 'InvalidStateError');
    this.#send(structuredClone(data));
  }

  deliver(data: unknown): void {
    if (!this.#isClosed) this.dispatchEvent(new MessageEvent('message', { data }));
  }

  close(): void {
    this.#isClosed = true;
    this.#onClose();
  }
}
