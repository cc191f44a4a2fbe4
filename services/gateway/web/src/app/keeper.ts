/** Keeps in this browser what paints the client before, or without, the network. */

import type { ReadonlySignal } from '@preact/signals';
import type { Profile } from '../protocol';
import type { Run, State } from '../state/model';
import type { Storage } from '../storage/storage';

const EVERY_MS = 1_000;
/** The newest of them are painted at the next start. */
const CONVERSATIONS = 200;
const TAIL = 100;

export class Keeper {
  readonly #state: ReadonlySignal<State>;
  readonly #profile: ReadonlySignal<Profile>;
  readonly #storage: Storage;
  readonly #kept = new WeakSet<Run>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #end: (() => void) | null = null;

  constructor(state: ReadonlySignal<State>, profile: ReadonlySignal<Profile>, storage: Storage) {
    this.#state = state;
    this.#profile = profile;
    this.#storage = storage;
  }

  start(): void {
    this.#end = this.#state.subscribe(() => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        void this.#save();
      }, EVERY_MS);
    });
  }

  stop(): void {
    this.#end?.();
    clearTimeout(this.#timer);
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
    } catch {
      this.stop();
    }
  }
}
