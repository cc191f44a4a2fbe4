import { useComputed } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { ConversationId } from '../../protocol';
import { type Row, rows } from '../../state/rows';
import { useClient } from '../context';

/** The rows of a conversation; those that say the same stay the same objects. */
export function useRows(id: ConversationId): readonly Row[] {
  const client = useClient();
  const previous = useRef<readonly Row[]>([]);
  return useComputed(() => {
    previous.current = rows(client.state.value, id, {
      outbox: client.outbox.value,
      dividerSeq: client.openId.value === id ? client.dividerSeq.value : null,
      previous: previous.current,
    });
    return previous.current;
  }).value;
}
