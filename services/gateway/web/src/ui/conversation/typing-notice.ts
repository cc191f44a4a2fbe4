import { useEffect, useMemo } from 'preact/hooks';
import type { Client } from '../../app/client';
import type { ConversationId } from '../../protocol';
import { useClient } from '../context';

const IDLE_MS = 5_000;

/** Tells the client that the user types, and that it is over: after a while without a key, or at once. */
export class TypingNotice {
  readonly #client: Client;
  readonly #id: ConversationId;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, id: ConversationId) {
    this.#client = client;
    this.#id = id;
  }

  /** A key was pressed. */
  start(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(this.stop, IDLE_MS);
    this.#client.typing(this.#id, true);
  }

  stop = (): void => {
    if (this.#idle === undefined) return;
    clearTimeout(this.#idle);
    this.#idle = undefined;
    this.#client.typing(this.#id, false);
  };
}

export function useTypingNotice(id: ConversationId): TypingNotice {
  const client = useClient();
  const notice = useMemo(() => new TypingNotice(client, id), [client, id]);
  useEffect(() => notice.stop, [notice]);
  return notice;
}
