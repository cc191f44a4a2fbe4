import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Catalogue } from '../../i18n/en';
import type { MessageId } from '../../protocol';
import type { RetryState } from '../../state/model';
import { clock } from '../../text/format';
import { useClient } from '../context';
import { showToast } from '../widgets/toasts';
import { useLocale, useWords } from '../words';

interface RetryNoteProps {
  /** Who is away. */
  name: string;
  /** The last own message that they have not got. */
  messageId: MessageId;
  retry: RetryState;
}

/** What happens to a message for somebody who is away, and a way to try at once after the last attempt. */
export function RetryNote({ name, messageId, retry }: RetryNoteProps): JSX.Element {
  const client = useClient();
  const words = useWords().conversation;
  const locale = useLocale();
  const [isPending, setPending] = useState(false);
  const redrive = async (): Promise<void> => {
    setPending(true);
    try {
      await client.redrive(messageId);
      showToast(words.triedNow(name));
    } catch {
      showToast(words.tryNowFailed, { tone: 'bad' });
    } finally {
      setPending(false);
    }
  };
  return (
    <p class="retry-note">
      <span dir="auto">{retryText(words, name, retry, locale)}</span>
      {retry.status === 'failed' && (
        <button type="button" class="text-button" disabled={isPending} onClick={() => void redrive()}>
          {words.tryNow}
        </button>
      )}
    </p>
  );
}

function retryText(words: Catalogue['conversation'], name: string, retry: RetryState, locale: string): string {
  const { status, retryCount, maxRetries, nextRetryAt } = retry;
  if (status === 'failed') return words.parked(name);
  if (nextRetryAt === null) return words.retryingNow(name, retryCount, maxRetries);
  return words.retrying(name, retryCount, maxRetries, clock(nextRetryAt, locale));
}
