/** The newest messages of a conversation, as they are cached. */

import type { ConversationId, Message } from '../protocol';

export const MESSAGES_PER_TAIL = 200;
export const TAILS = 50;

export interface Tail {
  readonly conversationId: ConversationId;
  /** Ascending by seq, without a gap. */
  readonly messages: readonly Message[];
  /** Unix ms: the one that was saved longest ago goes first. */
  readonly savedAtMs: number;
  readonly format: number;
}

/** Put together what is kept and what is known now: the newest messages up to a gap. Of one message the last change holds. */
export function joined(kept: readonly Message[], known: readonly Message[]): Message[] {
  const bySeq = new Map<number, Message>();
  for (const message of [...kept, ...known]) {
    const held = bySeq.get(message.seq);
    if (!held || held.rev <= message.rev) bySeq.set(message.seq, message);
  }
  const all = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
  let start = all.length - 1;
  while (start > 0 && all[start - 1]?.seq === (all[start]?.seq ?? 0) - 1) start -= 1;
  return all.slice(Math.max(start, all.length - MESSAGES_PER_TAIL, 0));
}
