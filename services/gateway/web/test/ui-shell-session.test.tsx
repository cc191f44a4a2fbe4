import { signal } from '@preact/signals';
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SessionState } from '../src/app/session';
import { App } from '../src/ui/app';
import { startRouter } from '../src/ui/router';
import { FakeClient } from './support/fake-client';
import { after } from './support/pane';
import { fetched } from './support/shell';

const session = signal<SessionState>({ kind: 'starting' });
let root: HTMLElement;
let endRouter: () => void;

beforeEach(async () => {
  session.value = { kind: 'starting' };
  history.replaceState(null, '', '/settings/privacy');
  endRouter = startRouter();
  root = document.createElement('div');
  document.body.append(root);
  await act(() => render(<App session={session} onSignedIn={async () => {}} />, root));
});

afterEach(async () => {
  await act(() => render(null, root));
  root.remove();
  endRouter();
});

const become = (state: SessionState): Promise<void> => after(() => (session.value = state));
const signedIn = (): Promise<void> => become({ kind: 'signed-in', client: new FakeClient() });
const heading = (): string | undefined => root.querySelector('h1')?.textContent;

test('nothing is shown before it is known who is signed in: the page has its splash', async () => {
  expect(root.childNodes).toHaveLength(0);
});

test('who has to sign in comes to the page they wanted', async () => {
  await become({ kind: 'signed-out', reason: 'none' });
  expect(heading()).toBe('Sign in to Parley');
  await signedIn();
  expect(location.pathname).toBe('/settings/privacy');
  await fetched();
  expect(heading()).toBe('Settings');
});

test('who signs out leaves nothing behind in the address', async () => {
  await signedIn();
  await become({ kind: 'starting' });
  await become({ kind: 'signed-out', reason: 'none' });
  expect(location.pathname).toBe('/');
});

test('whose session ended finds the page again', async () => {
  await signedIn();
  await become({ kind: 'signed-out', reason: 'ended' });
  expect(root.textContent).toContain('Your session has ended');
  expect(location.pathname).toBe('/settings/privacy');
});
