/** The state of this tab: the one place where it changes. */

import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import type { Conversation, Event, State } from '../state/model';
import { reduce } from '../state/reduce';
import type { ConversationId } from '../protocol';

export class Store {
  readonly #state: Signal<State>;

  constructor(state: State) {
    this.#state = signal(state);
  }

  get state(): ReadonlySignal<State> {
    return this.#state;
  }

  dispatch(event: Event): void {
    this.#state.value = reduce(this.#state.peek(), event);
  }

  /** Look without subscribing. */
  peek(): State {
    return this.#state.peek();
  }

  conversation(id: ConversationId): Conversation | undefined {
    return this.#state.peek().conversations.get(id);
  }

  /** Put back what was kept from the last visit. */
  restore(state: State): void {
    this.#state.value = state;
  }
}
