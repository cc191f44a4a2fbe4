import type { MessageId, Time } from '../../protocol';
import type { MessageRow, WaitingRow } from '../../state/rows';

export interface RowContent {
  readonly text: string;
  /** When it was sent, or written where it still waits. */
  readonly at: Time;
  readonly replyTo: MessageId | null;
}

/** What a row says, whether it is stored or waits in this browser. */
export function contentOf(row: MessageRow | WaitingRow): RowContent {
  if (row.kind === 'waiting') {
    const { content, createdAt, replyTo } = row.entry;
    return { text: content, at: createdAt, replyTo };
  }
  const { content, sent_at: at, reply_to: replyTo = null } = row.message;
  return { text: content, at, replyTo };
}
