import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, onSignedOut, type RequestOptions, request } from '../src/api/request';
import { FakeServer } from './support/fake-server';
import { endFakeTimers } from './support/timers';

let server: FakeServer;

/** Ask, and give what comes of it, an error too. */
function ask(method = 'GET', path = '/api/v1/x', options: RequestOptions = {}): Promise<unknown> {
  return request(method, path, options).catch((error: unknown) => error);
}

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});

afterEach(async () => {
  onSignedOut.handler = null;
  document.cookie = 'csrftoken=; max-age=0';
  await endFakeTimers();
});

describe('a request', () => {
  it('asks for JSON, and returns what it says', async () => {
    const answer = ask('GET', '/api/v1/users', { query: { q: 'ann b', cursor: undefined, all: true } });
    expect(server.last().path).toBe('/api/v1/users?q=ann+b&all=true');
    expect(server.last().headers.get('accept')).toBe('application/json');
    expect(server.last().headers.has('content-type')).toBe(false);
    await server.last().answer({ items: [] });
    expect(await answer).toEqual({ items: [] });
  });

  it('writes with a body and the CSRF token of the cookie', async () => {
    document.cookie = 'other=1';
    document.cookie = 'csrftoken=abc-1=2';
    const answer = ask('PUT', '/api/v1/x', { body: { a: 1 } });
    expect(server.last().body).toEqual({ a: 1 });
    expect(server.last().headers.get('content-type')).toBe('application/json');
    expect(server.last().headers.get('x-csrftoken')).toBe('abc-1=2');
    await server.last().answer(undefined, 204);
    expect(await answer).toBeUndefined();
  });

  it('takes the token of the cookie with the prefix under https, where there is one', () => {
    const cookie = vi.spyOn(document, 'cookie', 'get');
    vi.stubGlobal('location', { protocol: 'https:' });
    cookie.mockReturnValue('csrftoken=old; __Host-csrftoken=new');
    void ask('POST');
    cookie.mockReturnValue('csrftoken=old; xcsrftoken=1');
    void ask('POST');
    vi.stubGlobal('location', { protocol: 'http:' });
    cookie.mockReturnValue('__Host-csrftoken=new; csrftoken=old');
    void ask('POST');
    cookie.mockRestore();
    expect(server.requests.map(({ headers }) => headers.get('x-csrftoken'))).toEqual(['new', 'old', 'old']);
    return Promise.all(server.requests.map(each => each.fail()));
  });

  it('gives up after its time', async () => {
    const answer = ask('GET', '/api/v1/x', { timeoutMs: 1_000 });
    await vi.advanceTimersByTimeAsync(999);
    expect(server.last().isAborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await answer).toMatchObject({ status: 0, code: 'network', isRetryable: true });
  });

  it('ends with its caller’s reason', async () => {
    const abort = new AbortController();
    const answer = ask('GET', '/api/v1/x', { signal: abort.signal });
    abort.abort(new Error('not needed'));
    expect(await answer).toEqual(new Error('not needed'));
    expect(await ask('GET', '/api/v1/x', { signal: abort.signal })).toEqual(new Error('not needed'));
    expect(server.last().isAborted).toBe(true);
  });
});

describe('a refusal', () => {
  it('says what the problem document says', async () => {
    const answer = ask('POST', '/api/v1/auth/register');
    await server.last().answer(
      {
        type: '/problems/invalid',
        title: 'The request is malformed',
        status: 400,
        detail: 'username: is too short.',
        retryable: false,
        request_id: 'r1',
        errors: { username: 'is too short' },
      },
      400,
      { 'content-type': 'application/problem+json' },
    );
    const error = await answer;
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      status: 400,
      code: 'invalid',
      detail: 'username: is too short.',
      isRetryable: false,
      retryAfterMs: 0,
      fields: { username: 'is too short' },
    });
  });

  it.each([
    ['7', 7_000],
    ['0', 0],
    ['Sun, 22 Nov 2026 10:01:00 GMT', 60_000],
    ['Sun, 22 Nov 2026 09:00:00 GMT', 0],
    ['soon', 0],
    ['-1', 0],
  ])('with Retry-After %s waits %i ms', async (header, expected) => {
    const answer = ask();
    const headers = { 'retry-after': header, date: 'Sun, 22 Nov 2026 10:00:00 GMT' };
    await server.last().refuse('rate_limited', 429, true, headers);
    expect(await answer).toMatchObject({ code: 'rate_limited', isRetryable: true, retryAfterMs: expected });
  });

  it('reads a date by its own clock where the answer has none', async () => {
    vi.setSystemTime(new Date('2026-11-22T10:00:00Z'));
    const answer = ask();
    await server.last().refuse('unavailable', 503, true, { 'retry-after': 'Sun, 22 Nov 2026 10:00:05 GMT' });
    expect(await answer).toMatchObject({ retryAfterMs: 5_000 });
  });

  it.each([
    ['<h1>Bad gateway</h1>', 502, 'unavailable'],
    ['<h1>Who are you?</h1>', 401, 'unavailable'],
    ['', 404, 'unavailable'],
    ['null', 500, 'unavailable'],
    ['{"message":"too many"}', 429, 'rate_limited'],
    ['"gone"', 403, 'unavailable'],
  ])('that is not the server’s own (%s, %i) may be tried again', async (text, status, code) => {
    const answer = ask();
    await server.last().answerText(text, status);
    expect(await answer).toMatchObject({ status, code, isRetryable: true });
  });

  it.each(['<h1>Sign in to this network</h1>', ''])('is no answer at all where a 200 is not JSON: %s', async text => {
    const answer = ask();
    await server.last().answerText(text);
    expect(await answer).toMatchObject({ status: 0, code: 'network', isRetryable: true });
  });

  it('is no answer where nothing comes back', async () => {
    const answer = ask();
    await server.last().fail();
    expect(await answer).toMatchObject({ status: 0, code: 'network', isRetryable: true });
  });
});

describe('the end of the session', () => {
  it('is told, but not where somebody signs in, nor by something in between', async () => {
    const ended = vi.fn<() => void>();
    onSignedOut.handler = ended;
    void ask('POST', '/api/v1/auth/login');
    await server.last().refuse('unauthenticated', 401);
    void ask();
    await server.last().answerText('<h1>Proxy</h1>', 401);
    void ask();
    await server.last().refuse('forbidden', 403);
    expect(ended).not.toHaveBeenCalled();
    const answer = ask();
    await server.last().refuse('unauthenticated', 401);
    expect(ended).toHaveBeenCalledOnce();
    expect(await answer).toMatchObject({ code: 'unauthenticated' });
  });
});
