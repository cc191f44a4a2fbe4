/** What the tabs of one browser tell each other (over a BroadcastChannel, per user). */

import type { Connection } from '../link/transport';
import type { ChosenPresence, ClientFrame, Profile, Username } from '../protocol';
import type { Event, OutboxEntry } from '../state/model';

export type OutboxChange = { readonly put: OutboxEntry } | { readonly removed: string };

export type TabMessage =
  /** Something happened: from the tab that holds the socket, or where the user changed something. */
  | { readonly kind: 'event'; readonly event: Event }
  /** How the browser is connected, from the tab that holds the socket. */
  | { readonly kind: 'connection'; readonly connection: Connection }
  /** A frame to be sent by the tab that holds the socket. */
  | { readonly kind: 'send'; readonly frame: ClientFrame }
  | { readonly kind: 'outbox'; readonly change: OutboxChange }
  /** Whose presence a tab wants to know; the sum of all tabs is watched. */
  | { readonly kind: 'watch'; readonly tab: string; readonly usernames: readonly Username[] }
  /** A tab opened, or another one leads: tell it what you know. */
  | { readonly kind: 'joined'; readonly tab: string }
  /** Try to connect now. */
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'profile'; readonly profile: Profile }
  | { readonly kind: 'chosen'; readonly presence: ChosenPresence }
  /** The user is about to sign out. */
  | { readonly kind: 'leaving' }
  /** The user signed out in one tab, and so in all. */
  | { readonly kind: 'signed-out' };
