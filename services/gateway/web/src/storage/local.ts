/** What the browser's profile remembers beside the stores of its users: who was here, and which device this is. */

import { newId } from '../app/ids';
import type { Profile } from '../protocol';

const USER = 'parley-user';
const DEVICE = 'parley-device';

let ownDevice: string | null = null;

/** Paint the client for this user at the next start, before the server answers. */
export function rememberUser(profile: Profile): void {
  write(USER, JSON.stringify(profile));
}

export function forgetUser(): void {
  write(USER, null);
}

/** Who used the client here last and did not sign out. */
export function rememberedUser(): Profile | null {
  try {
    const profile: unknown = JSON.parse(read(USER) ?? 'null');
    return isProfile(profile) ? profile : null;
  } catch {
    return null;
  }
}

/** Whether the tabs of this browser can elect one that holds the socket. */
export function canShareSocket(): boolean {
  return typeof navigator.locks?.request === 'function' && typeof BroadcastChannel === 'function';
}

/**
 * The id under which this browser connects. A connection of the same device ends the one before, so where every tab
 * has its own socket, every tab is its own device, and a new one with every load: a duplicated tab would share an id
 * kept in `sessionStorage`.
 */
export function deviceId(): string {
  ownDevice ??= canShareSocket() ? read(DEVICE) : null;
  if (ownDevice === null) {
    ownDevice = newId();
    if (canShareSocket()) write(DEVICE, ownDevice);
  }
  return ownDevice;
}

function isProfile(value: unknown): value is Profile {
  if (typeof value !== 'object' || value === null) return false;
  const { id, username, display_name: displayName, settings } = value as Partial<Profile>;
  const texts = [id, username, displayName];
  return texts.every(text => typeof text === 'string') && typeof settings === 'object' && settings !== null;
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage is disabled: every start is a first one
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // storage is disabled: every start is a first one
  }
}
