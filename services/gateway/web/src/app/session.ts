/** Who is signed in here, from the first moment of the page on. */

import { type ReadonlySignal, signal } from '@preact/signals';
import * as api from '../api/endpoints';
import { ApiError, hasSession, onSignedOut } from '../api/request';
import type { Profile, User } from '../protocol';
import { forgetUser, openStorage, rememberedUser, rememberUser, wipe } from '../storage/database';
import { installServiceWorker } from '../install';
import { BrowserClient } from './browser-client';
import type { Client } from './client';

export type SessionState =
  | { readonly kind: 'starting' }
  /** `reason` "ended": the session was revoked or ran out while it was used. */
  | { readonly kind: 'signed-out'; readonly reason: 'none' | 'ended' }
  | { readonly kind: 'signed-in'; readonly client: Client };

const current = signal<SessionState>({ kind: 'starting' });
export const session: ReadonlySignal<SessionState> = current;

let running: BrowserClient | null = null;
const update = signal<(() => void) | null>(null);

/**
 * Decide who is signed in. Who used this browser before is shown what it keeps of them at once, without waiting for
 * the server; should the session have ended meanwhile, the server says so soon.
 */
export async function bootSession(): Promise<void> {
  installServiceWorker(apply => {
    update.value = apply;
  });
  const remembered = rememberedUser();
  if (remembered) await start(remembered);
  else await startAsWhoeverHasTheSession();
}

async function startAsWhoeverHasTheSession(): Promise<void> {
  try {
    if (hasSession()) {
      await start((await api.me()).user);
      return;
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
  current.value = { kind: 'signed-out', reason: 'none' };
}

/** Go on as the user who has just registered or signed in. */
export async function signedIn(user: User): Promise<void> {
  await start(await profileOf(user));
}

async function profileOf(user: User): Promise<Profile> {
  try {
    return (await api.me()).user;
  } catch {
    return { ...user, settings: { read_receipts: true, typing: true, last_seen: true } };
  }
}

async function start(profile: Profile): Promise<void> {
  await running?.stop({ keepsCache: true });
  rememberUser(profile);
  const storage = await openStorage(profile.id);
  running = await BrowserClient.open(profile, { storage, update, onEnd: reason => void end(profile, reason), onOther });
  onSignedOut.handler = () => running?.end('ended');
  current.value = { kind: 'signed-in', client: running };
  running.start();
}

/** The session is another user's than the one remembered: somebody signed in in another tab. */
function onOther(): void {
  forgetUser();
  current.value = { kind: 'starting' };
  void startAsWhoeverHasTheSession();
}

/**
 * Stop, and drop what is kept of the user: all of it when they signed out; messages that wait to be sent stay when
 * the session ended by itself, and go out when the same user signs in again.
 */
async function end(profile: Profile, reason: 'none' | 'ended'): Promise<void> {
  const ended = running;
  if (ended?.profile.value.id !== profile.id) return;
  onSignedOut.handler = null;
  running = null;
  forgetUser();
  current.value = { kind: 'starting' };
  await ended.stop({ keepsCache: false });
  if (reason === 'none') await wipe(profile.id);
  current.value = { kind: 'signed-out', reason };
}
