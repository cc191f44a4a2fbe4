import type { JSX } from 'preact';
import type { Catalogue } from '../../i18n/en';
import type { OutboxEntry } from '../../state/model';
import { useClient } from '../context';
import { showToast } from '../widgets/toasts';
import { useWords } from '../words';
import { copyText } from './copy';

/** Why a message was refused, and what can be done with it. */
export function FailedActions({ entry, title }: { entry: OutboxEntry; title: string }): JSX.Element {
  const client = useClient();
  const words = useWords();
  const attempt = (action: Promise<void>): void => {
    action.catch(() => showToast(words.common.wentWrong, { tone: 'bad' }));
  };
  return (
    <div class="message-note">
      <p class="message-problem" dir="auto">
        {problemText(words.conversation, entry.problem, title)}
      </p>
      <div class="message-actions">
        <button type="button" class="text-button" onClick={() => attempt(client.retry(entry.id))}>
          {words.conversation.tryAgain}
        </button>
        <button type="button" class="text-button" onClick={() => attempt(client.discard(entry.id))}>
          {words.conversation.delete}
        </button>
        <button type="button" class="text-button" onClick={() => void copyText(entry.content, words.conversation)}>
          {words.conversation.copy}
        </button>
      </div>
    </div>
  );
}

/** Why a message was not sent, in words; the server's own where it says something that is not known here. */
export function problemText(words: Catalogue['conversation'], problem: OutboxEntry['problem'], title: string): string {
  const { notSent } = words;
  switch (problem?.code) {
    case 'blocked':
      return notSent.blocked(title);
    case 'not_found':
      return notSent.not_found(title);
    case 'not_member':
      return notSent.not_member();
    case 'too_large':
      return notSent.too_large();
    case 'id_conflict':
      return notSent.id_conflict();
    default:
      return notSent.other(problem?.detail ?? '').trimEnd();
  }
}
