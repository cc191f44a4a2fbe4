import type { User } from '../protocol';
import type { State } from './model';

/** What a client knows when it begins. */
export function initial(me: User): State {
  return {
    me,
    epoch: '',
    conversations: new Map(),
    cursors: {},
    behind: new Set(),
    told: new Set(),
    heldBack: new Map(),
    early: new Map(),
    runs: new Map(),
    typing: new Map(),
    presence: new Map(),
    retries: new Map(),
  };
}
