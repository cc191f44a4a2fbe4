import type { JSX } from 'preact';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { showToast } from '../widgets/toasts';
import { useWords } from '../words';

/** Several messages were refused: a way to try them all again. */
export function Failures({ conversation }: { conversation: Conversation }): JSX.Element | null {
  const client = useClient();
  const words = useWords();
  const failed = client.outbox.value.filter(one => one.conversationId === conversation.id && one.state === 'failed');
  if (failed.length < 2) return null;
  const retryAll = async (): Promise<void> => {
    try {
      for (const { id } of failed) await client.retry(id);
    } catch {
      showToast(words.common.wentWrong, { tone: 'bad' });
    }
  };
  return (
    <div class="failures" role="status">
      <span>{words.conversation.failedCount(failed.length)}</span>
      <button type="button" class="text-button" onClick={() => void retryAll()}>
        {words.conversation.retryAll(failed.length)}
      </button>
    </div>
  );
}
