import type { ConversationId } from '../../protocol';
import type { Conversation, OutboxEntry } from '../../state/model';

/** Above all times: a conversation that was just begun has none. */
const NOW = '9';

/** The last message of each conversation that waits in this browser. */
export function lastWaiting(outbox: readonly OutboxEntry[]): ReadonlyMap<ConversationId, OutboxEntry> {
  return new Map(outbox.map(entry => [entry.conversationId, entry]));
}

/** Pinned ones first, then by their last message, newest first; with or without the archived ones. */
export function ordered(
  conversations: Iterable<Conversation>,
  waiting: ReadonlyMap<ConversationId, OutboxEntry>,
  isArchived: boolean,
): Conversation[] {
  const dated: { conversation: Conversation; at: string }[] = [];
  for (const conversation of conversations) {
    if (conversation.archived !== isArchived) continue;
    const sent = conversation.lastMessage?.sent_at ?? '';
    const written = waiting.get(conversation.id)?.createdAt ?? '';
    dated.push({ conversation, at: (sent > written ? sent : written) || NOW });
  }
  dated.sort((one, other) => {
    const pinned = Number(other.conversation.pinned) - Number(one.conversation.pinned);
    if (pinned !== 0) return pinned;
    return one.at === other.at ? 0 : one.at < other.at ? 1 : -1;
  });
  return dated.map(({ conversation }) => conversation);
}

/** Those whose title, or whose peer's username, has words that begin as the words of the query do. */
export function matching(conversations: Iterable<Conversation>, query: string): Conversation[] {
  const wanted = wordsOf(query);
  return [...conversations].filter(({ title, peer }) => {
    const words = wordsOf(`${title} ${peer ?? ''}`);
    return wanted.every(start => words.some(word => word.startsWith(start)));
  });
}

function wordsOf(text: string): string[] {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase();
  return plain.split(/[\s@]+/u).filter(Boolean);
}
