/** What the socket and its HTTP twin have in common. */

import type { ClientFrame, HelloFrame, ServerFrame, User, Username } from '../protocol';

/** What a transport asks of its owner, and tells it. */
export interface Host {
  /** The `hello` of now: device, epoch, cursors. */
  hello(): HelloFrame;
  /** Who is signed in here. */
  user(): User;
  /** Whose presence is wanted, at most 200. The socket is told by `user_status` frames instead. */
  watched(): readonly Username[];
  /**
   * A frame came. `isLive`: after `caught_up`. Over HTTP what was missed, and what comes, is told by `sync_page`
   * frames without a `re`, each time with a `caught_up` behind them.
   */
  onFrame(frame: ServerFrame, isLive: boolean): void;
}

/** Why coming back by itself is no use. */
export type Stop = 'signed-out' | 'taken-over' | 'refused' | 'outdated';

/** Why a transport ended. */
export interface Ending {
  /** The close code of the socket; 0 where there was none (no connection, an HTTP answer). */
  readonly code: number;
  /** The server's word on it, if it said one. */
  readonly reason: string;
  /** Null: come back. */
  readonly stop: Stop | null;
  /** Not before this many ms. */
  readonly afterMs: number;
}

/** A way to the server. It lives once: after its end another one is made. */
export interface Transport {
  /** Send a frame. False: it can't be taken now, nothing was sent. Answers come as frames, over HTTP too. */
  send(frame: ClientFrame): boolean;
  /** Ask for a sign of life now; a dead one ends within 5 s. */
  probe(): void;
  /** End it; nothing is told any more. */
  close(): void;
}

/**
 * Makes a transport. `onOpen`: the first `caught_up` came. `onEnd`: it is over, told once. Neither is called before
 * the transport was returned.
 */
export type Connect = (host: Host, onOpen: () => void, onEnd: (ending: Ending) => void) => Transport;

/** How the browser is connected, as people are told. */
export type Connection =
  /**
   * Never connected so far, or trying again. `tries` failed ones since the last connection. The next one is due at
   * `retryAtMs` (Unix ms), or is under way where that is over.
   */
  | { readonly state: 'connecting'; readonly tries: number; readonly sinceMs: number; readonly retryAtMs: number }
  | { readonly state: 'online' }
  /** Without a socket, over HTTP: live, a little slower. */
  | { readonly state: 'polling' }
  /** The browser itself says that it has no network. */
  | { readonly state: 'offline'; readonly sinceMs: number }
  /** It will not come back by itself. */
  | { readonly state: 'stopped'; readonly why: Stop; readonly reason: string };
