import type { JSX } from 'preact';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { useLocale, useWords } from '../words';
import { problemText } from './failed-actions';
import { InfoDialog } from './info-dialog';
import { contentOf } from './row-content';
import { tickOf } from './ticks';
import { useRows } from './use-rows';

interface InfoOfProps {
  conversation: Conversation;
  rowKey: string;
  onClose(): void;
}

/** The details of the message in a row, as long as that row is there. */
export function InfoOf({ conversation, rowKey, onClose }: InfoOfProps): JSX.Element | null {
  const client = useClient();
  const words = useWords();
  const locale = useLocale();
  const row = useRows(conversation.id).find(({ key }) => key === rowKey);
  if (row?.kind !== 'message' && row?.kind !== 'waiting') return null;
  const { text, at } = contentOf(row);
  const ticked = tickOf(row, conversation, client.state.peek().me.username, words, locale);
  const problem = row.kind === 'waiting' && row.entry.state === 'failed' ? row.entry.problem : null;
  return (
    <InfoDialog
      conversation={conversation}
      subject={{
        text,
        at,
        messageId: row.kind === 'message' && row.mine ? row.message.message_id : null,
        state: ticked?.tick ?? null,
        problem: problem && problemText(words.conversation, problem, conversation.title),
      }}
      onClose={onClose}
    />
  );
}
