import type { Catalogue } from '../../i18n/en';
import type { Username } from '../../protocol';
import type { Conversation, OutboxEntry } from '../../state/model';
import type { MessageRow, WaitingRow } from '../../state/rows';
import { messageProgress } from '../../state/select';
import { clock } from '../../text/format';
import type { TickState } from '../widgets/tick';

export interface Ticked {
  readonly tick: TickState;
  /** What it is called: "Delivered 14:02". */
  readonly label: string;
}

/** How far an own message is; null for those of others. */
export function tickOf(
  row: MessageRow | WaitingRow,
  conversation: Conversation,
  me: Username,
  words: Catalogue,
  locale: string,
): Ticked | null {
  if (row.kind === 'waiting') return waitingTick(row.entry, words, locale);
  if (!row.mine) return null;
  const { state, at } = messageProgress(conversation, row.message, me);
  const name = words.status[state];
  const sent = clock(row.message.sent_at, locale);
  if (state === 'sent') return { tick: state, label: words.conversation.tick(name, sent) };
  // Receipts say of the newest message alone when it was reached.
  const label =
    at === null ? words.conversation.tickOfSent(name, sent) : words.conversation.tick(name, clock(at, locale));
  return { tick: state, label };
}

function waitingTick(entry: OutboxEntry, words: Catalogue, locale: string): Ticked {
  const written = clock(entry.createdAt, locale);
  if (entry.state === 'accepted')
    return {
      tick: 'sent',
      label: words.conversation.tick(words.conversation.accepted, written),
    };
  return {
    tick: entry.state,
    label: words.conversation.tick(words.status[entry.state], written),
  };
}
