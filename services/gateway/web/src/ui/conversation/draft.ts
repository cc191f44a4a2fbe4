import { type ReadonlySignal, signal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import type { Client } from '../../app/client';
import type { ConversationId } from '../../protocol';
import { useClient } from '../context';
import { lengthOf } from './length';

const SAVE_AFTER_MS = 500;
/** Drafts that are too long to be kept: they are there again as long as the page is. */
const unkept = new WeakMap<Client, Map<ConversationId, Draft>>();

/** What is in the composer, kept while it is written. A draft of another device shows unless something is written here. */
export class Draft {
  readonly #client: Client;
  readonly #id: ConversationId;
  readonly #text;
  /** The draft as the client has it. */
  #kept: string;
  #sent: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, id: ConversationId) {
    this.#client = client;
    this.#id = id;
    this.#kept = client.state.peek().conversations.get(id)?.draft ?? '';
    this.#text = signal(this.#kept);
  }

  get text(): ReadonlySignal<string> {
    return this.#text;
  }

  /** The user wrote: it is kept soon. */
  write(text: string): void {
    this.#text.value = text;
    this.#sent = null;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.save, SAVE_AFTER_MS);
  }

  /** The text was sent: the draft is gone. */
  clear(): void {
    this.#sent = this.#text.peek(); // a list that was read before the server knows must not bring it back
    this.#text.value = '';
    this.save();
  }

  get isTooLong(): boolean {
    return lengthOf(this.#text.peek()) > this.#client.contentLimit.peek();
  }

  /** Keep what is written now, unless the server would not take it. */
  save = (): void => {
    clearTimeout(this.#timer);
    if (this.#text.peek() === this.#kept || this.isTooLong) return;
    this.#kept = this.#text.peek();
    this.#client.saveDraft(this.#id, this.#kept);
  };

  /** The client has this draft now, from here or from elsewhere. */
  take(draft: string): void {
    if (draft === this.#kept || draft === this.#sent) return;
    const isUntouched = this.#text.peek() === '' || this.#text.peek() === this.#kept;
    this.#kept = draft;
    if (isUntouched) this.#text.value = draft;
  }
}

export function useDraft(id: ConversationId): Draft {
  const client = useClient();
  const draft = useMemo(() => unkept.get(client)?.get(id) ?? new Draft(client, id), [client, id]);
  useSignalEffect(() => draft.take(client.state.value.conversations.get(id)?.draft ?? ''));
  useEffect(() => {
    document.addEventListener('visibilitychange', draft.save);
    return () => {
      document.removeEventListener('visibilitychange', draft.save);
      draft.save();
      const drafts = unkept.get(client) ?? new Map<ConversationId, Draft>();
      unkept.set(client, drafts);
      if (draft.isTooLong) drafts.set(id, draft);
      else drafts.delete(id);
    };
  }, [client, id, draft]);
  return draft;
}
