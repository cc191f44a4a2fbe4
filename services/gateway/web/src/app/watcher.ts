/** Whose presence this browser wants to know: the peers of the newest conversations of all its tabs. */

import type { ClientFrame, ConversationId, Username } from '../protocol';
import type { State } from '../state/model';

/** What one `user_status` may name. */
const WATCHED = 200;

export class Watcher {
  readonly #send: (frame: ClientFrame) => boolean;
  readonly #ofTabs = new Map<string, readonly Username[]>();
  #told: ReadonlySet<Username> = new Set();

  /** `send` sends to the server, at once. */
  constructor(send: (frame: ClientFrame) => boolean) {
    this.#send = send;
  }

  /** What a tab wants; an empty list forgets it. */
  wish(tab: string, usernames: readonly Username[]): void {
    if (usernames.length === 0) this.#ofTabs.delete(tab);
    else this.#ofTabs.set(tab, usernames);
  }

  /** What is to be watched: those whom most tabs name first. */
  wanted(): Username[] {
    const counts = new Map<Username, number>();
    for (const usernames of this.#ofTabs.values()) {
      for (const username of usernames) counts.set(username, (counts.get(username) ?? 0) + 1);
    }
    return [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([username]) => username)
      .slice(0, WATCHED);
  }

  /** A new socket knows of no wish. */
  greet(): void {
    this.#told = new Set();
    this.update();
  }

  /** Tell the server what changed since it was told last. */
  update(): void {
    const wanted = this.wanted();
    const watch = wanted.filter(name => !this.#told.has(name));
    const unwatch = [...this.#told].filter(name => !wanted.includes(name));
    if (watch.length === 0 && unwatch.length === 0) return;
    const frame: ClientFrame = {
      type: 'user_status',
      ...(watch.length > 0 ? { watch } : {}),
      ...(unwatch.length > 0 ? { unwatch } : {}),
    };
    if (this.#send(frame)) this.#told = new Set(wanted);
  }
}

/** The peers of the newest conversations, the open one first; with whom one has none yet, one may not watch. */
export function peersOf(state: State, openId: ConversationId | null): Username[] {
  const newest = [...state.conversations.values()]
    .filter(({ peer, lastSeq }) => peer !== null && lastSeq > 0)
    .sort((a, b) => (b.lastMessage?.sent_at ?? '').localeCompare(a.lastMessage?.sent_at ?? ''));
  const open = newest.filter(({ id }) => id === openId);
  return [...new Set([...open, ...newest].map(({ peer }) => peer ?? ''))].slice(0, WATCHED);
}
