/** Requests to the HTTP interface. */

import type { Problem } from '../protocol';

const TIMEOUT_MS = 15_000;

/** A refusal of the server, or (`code` "network") no answer of it at all. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    /** A code of the protocol; "network": nothing came back in time. */
    readonly code: string,
    /** A sentence of the server's. */
    readonly detail: string,
    /** The same request may succeed later. */
    readonly isRetryable: boolean,
    /** Wait at least that long, in ms. */
    readonly retryAfterMs: number,
    /** What is wrong with which field. */
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(`${code}: ${detail}`);
  }
}

export interface RequestOptions {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for the whole answer, 15 s by default. */
  readonly timeoutMs?: number;
}

/** Whoever wants to know that the session has ended (401). */
export const onSignedOut: { handler: (() => void) | null } = { handler: null };

/**
 * Ask the server; the session is in a cookie, writes carry the CSRF token.
 *
 * @throws ApiError, or what `signal` was aborted with.
 */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-csrftoken'] = csrfToken();
  const failure = await within(options, async signal => {
    const response = await fetch(withQuery(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      signal,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    if (!response.ok) return failureOf(response);
    return { answer: (response.status === 204 ? undefined : await response.json()) as T };
  });
  if ('answer' in failure) return failure.answer;
  if (failure.code === 'unauthenticated' && !path.startsWith('/api/v1/auth/')) onSignedOut.handler?.();
  throw failure;
}

/** Ask, but not for longer than allowed; what is not the server's answer (a sign-in page of the network's) is none. */
async function within<T>(options: RequestOptions, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { signal, timeoutMs = TIMEOUT_MS } = options;
  const abort = new AbortController();
  const onAbort = (): void => abort.abort(signal?.reason);
  const timer = setTimeout(() => abort.abort(), timeoutMs);
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  try {
    return await ask(abort.signal);
  } catch {
    signal?.throwIfAborted();
    throw new ApiError(0, 'network', 'The server can’t be reached.', true, 0);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Read a refusal. One that is no problem document comes from something in between, and says nothing for good. */
async function failureOf(response: Response): Promise<ApiError> {
  const problem = asProblem(await response.text());
  const retryAfterMs = waitOf(response);
  if (!problem) {
    const code = response.status === 429 ? 'rate_limited' : 'unavailable';
    return new ApiError(response.status, code, 'The server can’t answer right now.', true, retryAfterMs);
  }
  const code = problem.type.slice(problem.type.lastIndexOf('/') + 1);
  return new ApiError(response.status, code, problem.detail, problem.retryable, retryAfterMs, problem.errors);
}

function asProblem(text: string): Problem | null {
  try {
    const problem = JSON.parse(text) as Partial<Problem> | null;
    return typeof problem?.type === 'string' && typeof problem.detail === 'string' ? (problem as Problem) : null;
  } catch {
    return null;
  }
}

/** `Retry-After`: seconds, or (from something in between) a date by that machine's clock. */
function waitOf({ headers }: Response): number {
  const said = headers.get('retry-after');
  if (said === null) return 0;
  if (/^\d+$/.test(said)) return Number(said) * 1000;
  const waitMs = Date.parse(said) - (Date.parse(headers.get('date') ?? '') || Date.now());
  return waitMs > 0 ? waitMs : 0;
}

function withQuery(path: string, query: RequestOptions['query']): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** Whether this browser holds a session, as far as pages can know: its cookie itself is not for them. */
export function hasSession(): boolean {
  return csrfToken() !== '';
}

/** The token is in a cookie that pages may read; its name has a prefix where the server knows that it is under https. */
function csrfToken(): string {
  const cookies = document.cookie.split('; ');
  const named = (name: string): string | undefined =>
    cookies.find(cookie => cookie.startsWith(`${name}=`))?.slice(name.length + 1);
  return (location.protocol === 'https:' ? named('__Host-csrftoken') : undefined) ?? named('csrftoken') ?? '';
}
