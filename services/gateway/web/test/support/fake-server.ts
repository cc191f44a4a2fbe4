/** An HTTP server that is the test: requests wait until they are answered. */

import { vi } from 'vitest';
import type { Problem, Synced } from '../../src/protocol';

interface Settle {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: Error) => void;
}

/** A request that came; `answer` or `fail` ends it. */
export class FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: unknown;
  readonly #signal: AbortSignal | null;
  readonly #settle: Settle;
  #isOver = false;

  constructor(path: string, options: RequestInit, settle: Settle) {
    this.method = options.method ?? 'GET';
    this.path = path;
    this.headers = new Headers(options.headers);
    this.body = typeof options.body === 'string' ? JSON.parse(options.body) : undefined;
    this.#signal = options.signal ?? null;
    this.#settle = settle;
    this.#signal?.addEventListener('abort', () => {
      this.#isOver = true;
      settle.reject(new DOMException('aborted', 'AbortError'));
    });
  }

  get isAborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  get isOpen(): boolean {
    return !this.#isOver;
  }

  async answer(body: unknown, status = 200, headers: Record<string, string> = {}): Promise<void> {
    await this.answerText(body === undefined ? null : JSON.stringify(body), status, headers);
  }

  async answerText(text: string | null, status = 200, headers: Record<string, string> = {}): Promise<void> {
    this.#isOver = true;
    this.#settle.resolve(new Response(text, { status, headers }));
    await vi.advanceTimersByTimeAsync(0);
  }

  async refuse(code: string, status: number, retryable = false, headers: Record<string, string> = {}): Promise<void> {
    const problem: Problem = {
      type: `/problems/${code}`,
      title: code,
      status,
      detail: `It is ${code}.`,
      retryable,
      request_id: 'r1',
    };
    await this.answer(problem, status, headers);
  }

  /** Nothing comes back. */
  async fail(): Promise<void> {
    this.#isOver = true;
    this.#settle.reject(new TypeError('Failed to fetch'));
    await vi.advanceTimersByTimeAsync(0);
  }
}

/** Stands in for `fetch` until the test's globals are restored. */
export class FakeServer {
  readonly requests: FakeRequest[] = [];

  constructor() {
    const ask = (path: string, options: RequestInit): Promise<Response> =>
      new Promise((resolve, reject) => {
        if (options.signal?.aborted) reject(new DOMException('aborted', 'AbortError'));
        this.requests.push(new FakeRequest(path, options, { resolve, reject }));
      });
    vi.stubGlobal('fetch', ask);
  }

  /** The last request to an address. */
  last(path = ''): FakeRequest {
    const request = this.requests.findLast(each => each.path.startsWith(path));
    if (!request) throw new Error(`nothing was asked of ${path}`);
    return request;
  }

  count(path: string): number {
    return this.requests.filter(each => each.path.startsWith(path)).length;
  }
}

export function synced(change: Partial<Synced> = {}): Synced {
  return { epoch: 'e1', conversations: [], cursors: {}, more: [], typing: [], presence: [], ...change };
}
