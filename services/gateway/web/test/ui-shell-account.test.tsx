import { beforeEach, expect, test, vi } from 'vitest';
import * as api from '../src/api/endpoints';
import { ApiError } from '../src/api/request';
import type { SignedIn, User } from '../src/protocol';
import { after, button, click, only, textsOf, write } from './support/pane';
import { field, noteOf, showAccount } from './support/shell';

vi.mock('../src/api/endpoints');

const ANN: User = { id: 'u-ann', username: 'ann', display_name: 'Ann' };
const answer: SignedIn = { user: ANN, csrf_token: 't' };
const onSignedIn = vi.fn<(user: User) => Promise<void>>(async () => {});

beforeEach(() => {
  vi.resetAllMocks();
  vi.mocked(api.login).mockResolvedValue(answer);
  vi.mocked(api.register).mockResolvedValue(answer);
});

async function showSignUp(): Promise<HTMLElement> {
  const root = await showAccount(onSignedIn);
  await click(button(root, 'Sign up'));
  return root;
}

async function fill(root: HTMLElement, texts: Record<string, string>): Promise<void> {
  for (const [label, text] of Object.entries(texts)) await write(field(root, label), text);
}

const refused = (status: number, code: string, fields: Record<string, string> = {}, waitMs = 0): ApiError =>
  new ApiError(status, code, 'said the server', false, waitMs, fields);
const alerts = (root: HTMLElement): string[] => textsOf(root, '[role=alert]').filter(Boolean);

test('who has an account signs in', async () => {
  const root = await showAccount(onSignedIn);
  await fill(root, { Username: ' Ann ', Password: 'correct horse' });
  await click(button(root, 'Sign in'));
  expect(api.login).toHaveBeenCalledWith('ann', 'correct horse');
  expect(onSignedIn).toHaveBeenCalledWith(ANN);
});

test('who has none makes one, with a name for display or without', async () => {
  const root = await showSignUp();
  await fill(root, { Username: 'ann', Password: 'correct horse' });
  await click(button(root, 'Create account'));
  expect(api.register).toHaveBeenLastCalledWith('ann', 'correct horse', undefined);
});

test('the display name goes with it', async () => {
  const root = await showSignUp();
  await fill(root, { Username: 'ann', 'Display name': ' Ann Lee ', Password: 'correct horse' });
  await click(button(root, 'Create account'));
  expect(api.register).toHaveBeenLastCalledWith('ann', 'correct horse', 'Ann Lee');
});

test('password managers know what is what', async () => {
  const root = await showAccount(onSignedIn);
  expect(field(root, 'Username').autocomplete).toBe('username');
  expect(field(root, 'Password').autocomplete).toBe('current-password');
  await click(button(root, 'Sign up'));
  expect(field(root, 'Password').autocomplete).toBe('new-password');
  expect(field(root, 'Display name').autocomplete).toBe('name');
});

test('the rules for a username are there before anything is wrong', async () => {
  const root = await showSignUp();
  expect(noteOf(field(root, 'Username'))).toContain('3 to 32 characters');
});

test.each([
  ['ab', 'long enough', 'Username', 'Use 3 to 32 characters'],
  ['ann lee', 'long enough', 'Username', 'Use 3 to 32 characters'],
  ['ann', '1234567', 'Password', 'Use 8 to 128 characters'],
  ['ann', '🔑'.repeat(129), 'Password', 'Use 8 to 128 characters'],
])('a new account %s / %s is not asked for', async (username, password, label, problem) => {
  const root = await showSignUp();
  await fill(root, { Username: username, Password: password });
  await click(button(root, 'Create account'));
  expect(api.register).not.toHaveBeenCalled();
  const wrong = field(root, label);
  expect(wrong.getAttribute('aria-invalid')).toBe('true');
  expect(noteOf(wrong)).toContain(problem);
  expect(document.activeElement).toBe(wrong);
});

test('characters of a password are what people count', async () => {
  const root = await showSignUp();
  await fill(root, { Username: 'ann', Password: '🔑'.repeat(128) });
  await click(button(root, 'Create account'));
  expect(api.register).toHaveBeenCalledOnce();
});

test.each([
  [refused(401, 'unauthenticated'), 'The username or the password is wrong.'],
  [refused(429, 'rate_limited', {}, 12_000), 'Too many tries. Please wait 12 seconds, then try again.'],
  [refused(0, 'network'), 'Parley can’t be reached. Check your network, then try again.'],
  [refused(503, 'unavailable'), 'Parley has trouble right now. Please try again in a moment.'],
  [refused(403, 'forbidden'), 'said the server'],
])('a refusal is told in words: %s', async (error, words) => {
  vi.mocked(api.login).mockRejectedValue(error);
  const root = await showAccount(onSignedIn);
  await fill(root, { Username: 'ann', Password: 'wrong' });
  await click(button(root, 'Sign in'));
  expect(alerts(root)).toEqual([words]);
  expect(field(root, 'Username').value).toBe('ann');
  expect(field(root, 'Password').value).toBe('wrong');
  expect(onSignedIn).not.toHaveBeenCalled();
});

test.each([
  [refused(409, 'username_taken'), 'Username', 'ann is taken'],
  [refused(400, 'invalid', { username: 'x' }), 'Username', 'Use 3 to 32 characters'],
  [refused(400, 'invalid', { password: 'x' }), 'Password', 'Use 8 to 128 characters'],
  [refused(400, 'invalid', { display_name: 'x' }), 'Display name', 'Use 1 to 64 visible characters'],
])('a refusal of a field is told beside it: %s', async (error, label, words) => {
  vi.mocked(api.register).mockRejectedValue(error);
  const root = await showSignUp();
  await fill(root, { Username: 'ann', Password: 'correct horse' });
  await click(button(root, 'Create account'));
  expect(noteOf(field(root, label))).toContain(words);
  expect(document.activeElement).toBe(field(root, label));
});

test('while the answer is awaited nothing is asked twice, and nothing typed is lost', async () => {
  let settle: (value: SignedIn) => void = () => {};
  vi.mocked(api.login).mockReturnValue(new Promise(resolve => (settle = resolve)));
  const root = await showAccount(onSignedIn);
  await fill(root, { Username: 'ann', Password: 'correct horse' });
  await click(button(root, 'Sign in'));
  expect(button(root, 'Sign in').disabled).toBe(true);
  await after(() => only<HTMLFormElement>(root, 'form').requestSubmit());
  expect(api.login).toHaveBeenCalledOnce();
  expect(field(root, 'Password').value).toBe('correct horse');
  await after(() => settle(answer));
  expect(onSignedIn).toHaveBeenCalledOnce();
});

test('a password can be shown', async () => {
  const root = await showAccount(onSignedIn);
  expect(field(root, 'Password').type).toBe('password');
  await click(button(root, 'Show password'));
  expect(field(root, 'Password').type).toBe('text');
  await click(button(root, 'Hide password'));
  expect(field(root, 'Password').type).toBe('password');
});

test('what was typed stays when one turns to the other form', async () => {
  const root = await showAccount(onSignedIn);
  await fill(root, { Username: 'ann' });
  await click(button(root, 'Sign up'));
  expect(field(root, 'Username').value).toBe('ann');
});

test('whose session ended is told so', async () => {
  const root = await showAccount(onSignedIn, 'ended');
  expect(only(root, '[role=status].notice').textContent).toContain('Your session has ended');
});
