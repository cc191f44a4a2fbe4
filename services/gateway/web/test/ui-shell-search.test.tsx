import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Person } from '../src/protocol';
import { FakeClient } from './support/fake-client';
import { after, click, only, press, textsOf, write } from './support/pane';
import { conversation } from './support/samples';
import { showShell } from './support/shell';

const BEA: Person = { username: 'bea', display_name: 'Bea Arthur' };
const BEN: Person = { username: 'ben', display_name: 'Ben' };

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const box = (root: ParentNode): HTMLInputElement => only(root, '#search');
const titles = (root: ParentNode): string[] => textsOf(root, '.results .row-title');
const waitFor = (ms: number): Promise<void> => after(() => void vi.advanceTimersByTime(ms));

function clientWith(...found: Person[]): FakeClient {
  const client = new FakeClient([conversation('ben'), conversation('cy')]);
  client.searchPeople.mockResolvedValue(found);
  return client;
}

test('own conversations are found at once, people a moment later', async () => {
  const client = clientWith(BEN, BEA);
  const root = await showShell(client);
  await write(box(root), 'be');
  expect(titles(root)).toEqual(['Ben']);
  await waitFor(199);
  expect(client.searchPeople).not.toHaveBeenCalled();
  await waitFor(1);
  expect(client.searchPeople).toHaveBeenCalledOnce();
  expect(titles(root)).toEqual(['Ben', 'Bea Arthur']); // Ben once: there is a conversation with him
});

test('one letter finds no people', async () => {
  const client = clientWith(BEA);
  const root = await showShell(client);
  await write(box(root), 'b');
  await waitFor(1_000);
  expect(client.searchPeople).not.toHaveBeenCalled();
  expect(root.textContent).toContain('Two letters or more find people, too.');
});

test('the @ of a username is no part of it', async () => {
  const client = clientWith(BEA);
  const root = await showShell(client);
  await write(box(root), '@bea');
  await waitFor(200);
  expect(client.searchPeople.mock.calls[0]?.[0]).toBe('bea');
});

test('a search that is not wanted any more is given up', async () => {
  const client = clientWith();
  const answers: ((found: Person[]) => void)[] = [];
  client.searchPeople.mockImplementation(() => new Promise(resolve => answers.push(resolve)));
  const root = await showShell(client);
  await write(box(root), 'be');
  await waitFor(200);
  await write(box(root), 'bea');
  expect(client.searchPeople.mock.calls[0]?.[1].aborted).toBe(true);
  await waitFor(200);
  await after(() => answers[1]?.([BEA]));
  await after(() => answers[0]?.([{ username: 'bert', display_name: 'Bert' }]));
  expect(titles(root)).toEqual(['Bea Arthur']);
});

test('choosing somebody begins the conversation, and ends the search', async () => {
  const client = clientWith(BEA);
  const root = await showShell(client);
  await write(box(root), 'bea');
  await waitFor(200);
  await click(only(root, '.row-person'));
  expect(client.begin).toHaveBeenCalledWith('bea');
  expect(location.pathname).toBe('/c/dk-bea');
  expect(box(root).value).toBe('');
});

test('a conversation that can’t be begun is told, and the search stays', async () => {
  const client = clientWith(BEA);
  client.begin.mockRejectedValue(new Error('no'));
  const root = await showShell(client);
  await write(box(root), 'bea');
  await waitFor(200);
  await click(only(root, '.row-person'));
  expect(textsOf(root, '.toast-text')).toContain('That did not work. Please try again.');
  expect(location.pathname).toBe('/');
  await waitFor(5_000);
});

test('Enter opens the first one, ↓ goes there', async () => {
  const root = await showShell(clientWith());
  await write(box(root), 'cy');
  await press(box(root), 'ArrowDown');
  expect(document.activeElement).toBe(only(root, '.results a.row'));
  await press(box(root), 'Enter');
  expect(location.pathname).toBe('/c/dk-cy');
  expect(box(root).value).toBe('');
});

test('what was found is announced', async () => {
  const root = await showShell(clientWith(BEA));
  await write(box(root), 'be');
  await waitFor(200);
  expect(textsOf(root, '[aria-live=polite]').join('')).toContain('2 results');
});

test.each([
  ['nobody is called so', async () => [], 'Nobody is called “zoe”.'],
  ['it failed', () => Promise.reject(new Error('no')), 'People could not be searched.'],
] as const)('the search says that %s', async (_what, answer, note) => {
  const client = clientWith();
  client.searchPeople.mockImplementation(answer as () => Promise<Person[]>);
  const root = await showShell(client);
  await write(box(root), 'zoe');
  await waitFor(200);
  expect(only(root, '.results-note').textContent).toBe(note);
});

test('Esc empties the search, then leaves it', async () => {
  const root = await showShell(clientWith());
  await after(() => box(root).focus());
  await write(box(root), 'b');
  await press(box(root), 'Escape');
  expect(box(root).value).toBe('');
  expect(document.activeElement).toBe(box(root));
  await press(box(root), 'Escape');
  expect(document.activeElement).not.toBe(box(root));
});
