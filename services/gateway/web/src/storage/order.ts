import type { OutboxEntry } from '../state/model';

/** The order in which entries go out. Two tabs may have given the same number in the same millisecond. */
export function byOrder(a: OutboxEntry, b: OutboxEntry): number {
  if (a.order !== b.order) return a.order - b.order;
  return a.id < b.id ? -1 : Number(a.id > b.id);
}
