/** What the end of a socket means. */

import type { GoodbyeFrame } from '../protocol';
import type { Stop } from './transport';

/** Close codes after which it is no use to come back; after all others it is. */
export const STOPS = {
  1009: 'refused', // a frame too large, where the server's WebSocket layer says it
  4400: 'refused', // protocol errors
  4401: 'signed-out',
  4403: 'signed-out', // banned
  4409: 'taken-over',
  4413: 'refused', // a frame too large
  4426: 'outdated',
} as const satisfies Record<number, Stop>;

/** The same, by the code of a `goodbye` whose close frame got lost. */
const STOPS_BY_WORD: Readonly<Record<string, Stop>> = {
  unauthenticated: 'signed-out',
  device_taken: 'taken-over',
  unsupported: 'outdated',
};

/** Why coming back is no use after a close with that code, and the `goodbye` before it; null: come back. */
export function stopAfter(code: number, goodbye: GoodbyeFrame | null): Stop | null {
  if (code in STOPS) return STOPS[code as keyof typeof STOPS];
  if (!goodbye || goodbye.reconnect) return null;
  return STOPS_BY_WORD[goodbye.code] ?? 'refused';
}
