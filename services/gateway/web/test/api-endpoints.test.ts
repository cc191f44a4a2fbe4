import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import * as api from '../src/api/endpoints';
import { FakeServer } from './support/fake-server';

let server: FakeServer;

beforeEach(() => {
  server = new FakeServer();
});

afterEach(() => vi.unstubAllGlobals());

it('writes names and ids so that they stay one part of the address', () => {
  void api.person('a/b?c');
  void api.endSession('x y');
  expect(server.requests.map(({ method, path }) => [method, path])).toEqual([
    ['GET', '/api/v1/users/a%2Fb%3Fc'],
    ['DELETE', '/api/v1/sessions/x%20y'],
  ]);
});

it('asks for pages at a place', () => {
  void api.messages('c1', { around_seq: 9 }, 50);
  void api.conversations(undefined, false);
  void api.history('ben', 1);
  expect(server.requests.map(({ path }) => path)).toEqual([
    '/api/v1/conversations/c1/messages?around_seq=9&page_size=50',
    '/api/v1/conversations?page_size=50&archived=false',
    '/messages/history/ben/?page_size=1',
  ]);
});

it('blocks and unblocks', () => {
  void api.block('ben', true);
  void api.block('ben', false);
  expect(server.requests.map(({ method }) => method)).toEqual(['PUT', 'DELETE']);
});

it('registers with a name for display only where there is one', () => {
  void api.register('ann', 'secret-123', '');
  void api.register('ann', 'secret-123', 'Ann');
  expect(server.requests.map(({ body }) => body)).toEqual([
    { username: 'ann', password: 'secret-123' },
    { username: 'ann', password: 'secret-123', display_name: 'Ann' },
  ]);
});
