/** A conversation's pane in a page, as a test looks at it. */

import { render } from 'preact';
import { act } from 'preact/test-utils';
import { onTestFinished, vi } from 'vitest';
import { ClientContext } from '../../src/ui/context';
import { Conversation } from '../../src/ui/conversation/conversation';
import { Announcer } from '../../src/ui/widgets/announcer';
import { ToastRegion } from '../../src/ui/widgets/toasts';
import type { FakeClient } from './fake-client';
import { WITH_BEN } from './samples';

/** Show a conversation, and have the client open it; it is taken away when the test ends. */
export async function showPane(client: FakeClient, id: string = WITH_BEN): Promise<HTMLElement> {
  const root = document.createElement('div');
  document.body.append(root);
  onTestFinished(async () => {
    await act(() => render(null, root));
    root.remove();
  });
  await act(() =>
    render(
      <ClientContext.Provider value={client}>
        <Conversation id={id} />
        <ToastRegion />
        <Announcer />
      </ClientContext.Provider>,
      root,
    ),
  );
  await act(() => client.open(id));
  return root;
}

/** Let something happen, and the page follow, with the parts of it that are loaded when they are needed. */
export async function after(happen: () => void): Promise<void> {
  await act(async () => {
    happen();
    await Promise.resolve();
  });
  await act(() => vi.dynamicImportSettled());
}

export function only<T extends Element = HTMLElement>(root: ParentNode, selector: string): T {
  const found = root.querySelectorAll<T>(selector);
  const [first] = found;
  if (!first || found.length > 1) throw new Error(`${found.length} elements are ${selector}`);
  return first;
}

export const textsOf = (root: ParentNode, selector: string): string[] =>
  [...root.querySelectorAll(selector)].map(element => element.textContent);

/** A button or menu item by what it is called. */
export function button(root: ParentNode, name: string): HTMLButtonElement {
  const nameOf = (one: HTMLButtonElement): string => one.getAttribute('aria-label') ?? one.textContent;
  const found = [...root.querySelectorAll('button')].filter(one => nameOf(one).trim() === name);
  const [first] = found;
  if (!first || found.length > 1) throw new Error(`${found.length} buttons are called ${name}`);
  return first;
}

export async function click(element: HTMLElement): Promise<void> {
  await after(() => element.click());
}

export async function press(element: Element, key: string, more: KeyboardEventInit = {}): Promise<KeyboardEvent> {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more });
  await after(() => void element.dispatchEvent(event));
  return event;
}

/** Put a text into a field as typing does. */
export async function write(field: HTMLTextAreaElement | HTMLInputElement, text: string): Promise<void> {
  await after(() => {
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
  });
}
