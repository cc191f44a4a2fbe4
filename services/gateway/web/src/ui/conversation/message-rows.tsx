import type { ComponentChildren, JSX } from 'preact';
import type { MessageId, Username } from '../../protocol';
import type { Conversation, RetryState } from '../../state/model';
import type { Row, MessageRow as StoredRow, WaitingRow } from '../../state/rows';
import { useClient } from '../context';
import { useLocale, useWords } from '../words';
import { FailedActions } from './failed-actions';
import { MessageRow, type RowActions } from './message-row';
import { nameOf } from './names';
import { RetryNote } from './retry-note';
import { tickOf } from './ticks';
import { useKnown } from './use-known';

interface MessageRowsProps {
  rows: readonly Row[];
  conversation: Conversation;
  /** The row that Tab comes to; null: the last one. */
  currentKey: string | null;
  foundKey: string | null;
  actions: RowActions;
  renderDay(day: string): JSX.Element;
}

/** All rows: days, the divider of what is new, messages. */
export function MessageRows(props: MessageRowsProps): JSX.Element {
  const { rows, conversation, foundKey, actions } = props;
  const client = useClient();
  const words = useWords();
  const locale = useLocale();
  const { me } = client.state.peek();
  const away = notesOf(
    rows,
    useKnown(({ retries }) => retries.get(conversation.id)),
  );
  const currentKey = rows.some(({ key }) => key === props.currentKey) ? props.currentKey : rows.at(-1)?.key;

  const renderRow = (row: StoredRow | WaitingRow): JSX.Element => {
    const sender = row.kind === 'message' ? row.message.sender : me.username;
    const ticked = tickOf(row, conversation, me.username, words, locale);
    return (
      <MessageRow
        key={row.key}
        row={row}
        conversationId={conversation.id}
        sender={sender}
        senderName={nameOf(conversation, sender)}
        isGroup={conversation.kind === 'group'}
        tick={ticked?.tick ?? null}
        tickLabel={ticked?.label ?? ''}
        isFound={row.key === foundKey}
        isCurrent={row.key === currentKey}
        actions={actions}
        note={noteUnder(row)}
      />
    );
  };
  const noteUnder = (row: StoredRow | WaitingRow): ComponentChildren => {
    if (row.kind === 'waiting') {
      return row.entry.state === 'failed' ? <FailedActions entry={row.entry} title={conversation.title} /> : null;
    }
    return away
      .get(row.key)
      ?.map(({ username, messageId, retry }) => (
        <RetryNote key={username} name={nameOf(conversation, username)} messageId={messageId} retry={retry} />
      ));
  };
  return (
    <>
      {rows.map(row => {
        if (row.kind === 'day') return props.renderDay(row.day);
        if (row.kind !== 'unread') return renderRow(row);
        return (
          <li key={row.key} class="divider" data-key={row.key}>
            {words.conversation.newMessages}
          </li>
        );
      })}
    </>
  );
}

interface Note {
  readonly username: Username;
  readonly messageId: MessageId;
  readonly retry: RetryState;
}

/** Whom own messages do not reach, by the key of the last message that it is about. */
function notesOf(rows: readonly Row[], retries: ReadonlyMap<Username, RetryState> | undefined): Map<string, Note[]> {
  const notes = new Map<string, Note[]>();
  for (const [username, retry] of retries ?? []) {
    const row = rows.findLast(one => one.kind === 'message' && one.mine && one.message.seq <= retry.upToSeq);
    if (row?.kind !== 'message') continue;
    const note = { username, messageId: row.message.message_id, retry };
    notes.set(row.key, [...(notes.get(row.key) ?? []), note]);
  }
  return notes;
}
