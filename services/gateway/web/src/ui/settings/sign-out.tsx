import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt';
import { useClient } from '../context';
import { Confirm } from '../widgets/confirm';
import { Icon } from '../widgets/icon';
import { useWords } from '../words';

/** Signs out, after a question that says what is wiped, and what would be lost. */
export function SignOut(): JSX.Element {
  const client = useClient();
  const words = useWords().settings;
  const attempt = useAttempt();
  const [isAsking, setAsking] = useState(false);
  const waiting = client.outbox.value.filter(entry => entry.state !== 'accepted').length;
  return (
    <>
      <button type="button" class="settings-link settings-danger" onClick={() => setAsking(true)}>
        <Icon name="logout" />
        <span>{words.signOut}</span>
      </button>
      {isAsking && (
        <Confirm
          title={words.signOutTitle}
          action={waiting > 0 ? words.signOutAnyway : words.signOut}
          cancel={words.stay}
          onConfirm={() => attempt(client.signOut())}
          onClose={() => setAsking(false)}
        >
          {waiting > 0 && <p class="notice">{words.signOutWaiting(waiting)}</p>}
          <p>{words.signOutText}</p>
        </Confirm>
      )}
    </>
  );
}
