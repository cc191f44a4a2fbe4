import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useClient } from '../context';
import { problemText } from '../problems';
import { Button } from '../widgets/button';
import { Dialog } from '../widgets/dialog';
import { Icon } from '../widgets/icon';
import { showToast } from '../widgets/toasts';
import { useLocale, useWords } from '../words';

/** Signs out, after a question that says what is wiped, and what would be lost. */
export function SignOut(): JSX.Element {
  const client = useClient();
  const words = useWords();
  const locale = useLocale();
  const [isAsking, setAsking] = useState(false);
  const [isPending, setPending] = useState(false);
  const waiting = client.outbox.value.filter(entry => entry.state !== 'accepted').length;
  const signOut = async (): Promise<void> => {
    setPending(true);
    try {
      await client.signOut();
    } catch (error) {
      showToast(problemText(error, words, locale), { tone: 'bad' });
      setPending(false);
    }
  };
  return (
    <>
      <button type="button" class="settings-link settings-danger" onClick={() => setAsking(true)}>
        <Icon name="logout" />
        <span>{words.settings.signOut}</span>
      </button>
      {isAsking && (
        <Dialog
          title={words.settings.signOutTitle}
          onClose={() => setAsking(false)}
          actions={
            <>
              <Button onClick={() => setAsking(false)}>{words.settings.stay}</Button>
              <Button kind="danger" isPending={isPending} onClick={() => void signOut()}>
                {waiting > 0 ? words.settings.signOutAnyway : words.settings.signOut}
              </Button>
            </>
          }
        >
          {waiting > 0 && <p class="notice notice-warn">{words.settings.signOutWaiting(waiting)}</p>}
          <p>{words.settings.signOutText}</p>
        </Dialog>
      )}
    </>
  );
}
