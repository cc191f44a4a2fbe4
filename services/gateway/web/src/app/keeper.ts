/** Keeps in this browser what paints the client before, or without, the network. */

import type { ReadonlySignal } from '@preact/signals';
import type { ConversationId, Message, Profile } from '../protocol';
import type { Run, State } from '../state/model';
import type { Storage } from '../storage/storage';
import { TAILS } from '../storage/tails';

const EVERY_MS = 1_000;
/** The newest of them are painted at the next start. */
const CONVERSATIONS = 200;
const TAIL = 100;

export class Keeper {
  readonly #state: ReadonlySignal<State>;
  readonly #profile: ReadonlySignal<Profile>;
  readonly #storage: Storage;
  readonly #kept = new WeakSet<Run>();
  /** Messages that came since the last time, also to conversations that nobody has looked at. */
  readonly #fresh = new Map<ConversationId, Message[]>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ends: (() => void)[] = [];

  constructor(state: ReadonlySignal<State>, profile: ReadonlySignal<Profile>, storage: Storage) {
    this.#state = state;
    this.#profile = profile;
    this.#storage = storage;
  }

  start(): void {
    const onVisibility = (): void => {
      if (document.visibilityState === 'hidden') this.flush();
    };
    document.addEventListener('visibilitychange', onVisibility);
    this.#ends = [
      () => document.removeEventListener('visibilitychange', onVisibility),
      this.#state.subscribe(() => {
        this.#timer ??= setTimeout(() => this.flush(), EVERY_MS);
      }),
    ];
  }

  /** Messages came, in whatever order. */
  note(messages: readonly Message[]): void {
    for (const message of messages) {
      const id = message.conversation_id;
      this.#fresh.set(id, [...(this.#fresh.get(id) ?? []), message].slice(-TAIL));
    }
    for (const id of this.#fresh.keys()) {
      if (this.#fresh.size <= TAILS) break;
      this.#fresh.delete(id);
    }
  }

  /** Keep it now: the page may be closed in a moment. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    void this.#save();
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The cache is a convenience: where the browser has no room for it, the next start is slower, no more. */
  async #save(): Promise<void> {
    const { conversations, cursors, epoch, runs } = this.#state.peek();
    if (epoch === '') return;
    const newest = [...conversations.values()]
      .sort((a, b) => (b.lastMessage?.sent_at ?? '').localeCompare(a.lastMessage?.sent_at ?? ''))
      .slice(0, CONVERSATIONS);
    const known = Object.fromEntries(newest.flatMap(({ id }) => (id in cursors ? [[id, cursors[id] ?? 0]] : [])));
    try {
      const profile = this.#profile.peek();
      const savedAt = new Date().toISOString();
      await this.#storage.saveSnapshot({ profile, epoch, cursors: known, conversations: newest, savedAt });
      for (const [id, run] of runs) {
        if (!run.reachesEnd || this.#kept.has(run)) continue;
        this.#kept.add(run);
        await this.#storage.saveTail(id, run.messages.slice(-TAIL));
      }
      for (const [id, messages] of this.#fresh) {
        this.#fresh.delete(id);
        await this.#storage.saveTail(id, messages);
      }
    } catch {
      this.stop();
    }
  }
}
