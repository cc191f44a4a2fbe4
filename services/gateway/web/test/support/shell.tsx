/** The whole client of a signed-in user in a page, as a test looks at it. */

import { signal } from '@preact/signals';
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { onTestFinished, vi } from 'vitest';
import type { SessionState } from '../../src/app/session';
import type { User } from '../../src/protocol';
import { App } from '../../src/ui/app';
import { query } from '../../src/ui/list/search';
import { startRouter } from '../../src/ui/router';
import { openDialog } from '../../src/ui/shell/shortcuts';
import type { FakeClient } from './fake-client';

/** Show the client at a path; it is taken away when the test ends. */
export async function showShell(client: FakeClient, path = '/'): Promise<HTMLElement> {
  return await show({ kind: 'signed-in', client }, path, async () => {});
}

/** Show the page where people sign in. */
export async function showAccount(
  onSignedIn: (user: User) => Promise<void>,
  reason: 'none' | 'ended' = 'none',
): Promise<HTMLElement> {
  return await show({ kind: 'signed-out', reason }, '/', onSignedIn);
}

async function show(
  state: SessionState,
  path: string,
  onSignedIn: (user: User) => Promise<void>,
): Promise<HTMLElement> {
  history.replaceState(null, '', path);
  const endRouter = startRouter();
  const root = document.createElement('div');
  document.body.append(root);
  onTestFinished(async () => {
    await act(() => render(null, root));
    root.remove();
    endRouter();
    query.value = '';
    openDialog.value = null;
  });
  await act(() => render(<App session={signal(state)} onSignedIn={onSignedIn} />, root));
  await fetched();
  return root;
}

/** Wait for the code of views that is fetched when they are first shown. */
export async function fetched(): Promise<void> {
  await act(() => vi.dynamicImportSettled());
}

/** The field that a label belongs to. */
export function field(root: ParentNode, label: string): HTMLInputElement {
  const found = [...root.querySelectorAll('label')].find(one => one.textContent === label);
  const input = found && document.getElementById(found.htmlFor);
  if (!(input instanceof HTMLInputElement)) throw new Error(`no field is called ${label}`);
  return input;
}

/** What is said about a field: the hint, or what is wrong. */
export function noteOf(input: HTMLInputElement): string {
  return document.getElementById(input.getAttribute('aria-describedby') ?? '')?.textContent ?? '';
}
