/** Requests to the HTTP interface. */

import type { Problem } from '../protocol';

/** A refusal of the server, or (`code` "network") no answer at all. */
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
  readonly signal?: AbortSignal;
  /** How long to wait for the answer, 15 s by default. */
  readonly timeoutMs?: number;
}

/** Whoever wants to know that the session has ended (401). */
export const onSignedOut: { handler: (() => void) | null } = { handler: null };

/**
 * Ask the server; the session is in a cookie, writes carry the CSRF token.
 *
 * @throws ApiError
 */
export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (options.body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-csrftoken'] = csrfToken();
  const limit = AbortSignal.timeout(options.timeoutMs ?? 15_000);
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), {
      method,
      headers,
      credentials: 'same-origin',
      signal: options.signal ? AbortSignal.any([limit, options.signal]) : limit,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, 'network', 'The server can’t be reached.', true, 0);
  }
  const failure = await failureOf(response);
  if (failure.code === 'unauthenticated' && !path.startsWith('/api/v1/auth/')) onSignedOut.handler?.();
  throw failure;
}

async function failureOf(response: Response): Promise<ApiError> {
  const retryAfterMs = Number(response.headers.get('retry-after') ?? 0) * 1000 || 0;
  let problem: Partial<Problem> = {};
  try {
    problem = (await response.json()) as Partial<Problem>;
  } catch {
    // a proxy's page, or a body that broke off: the status says enough
  }
  const code = problem.type?.split('/').at(-1) ?? (response.status >= 500 ? 'unavailable' : 'invalid');
  const isRetryable = problem.retryable ?? (response.status >= 500 || response.status === 429);
  return new ApiError(
    response.status,
    code,
    problem.detail ?? response.statusText,
    isRetryable,
    retryAfterMs,
    problem.errors,
  );
}

function withQuery(path: string, query: RequestOptions['query']): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** The token is in a cookie that pages may read; under https its name has a prefix. */
function csrfToken(): string {
  const found = /(?:^|; )(?:__Host-)?csrftoken=([^;]*)/.exec(document.cookie);
  return found?.[1] ?? '';
}
