import type { JSX } from 'preact';
import { useCallback, useState } from 'preact/hooks';
import type { Session } from '../../protocol';
import { useAttempt } from '../attempt';
import { useClient } from '../context';
import { ago } from '../time';
import { Button } from '../widgets/button';
import { Confirm } from '../widgets/confirm';
import { Icon } from '../widgets/icon';
import { useLocale, useWords } from '../words';
import { deviceName } from './device-name';
import { LoadedView, useLoaded } from './loaded';

/** Where the user is signed in, and how to end that. */
export function SessionsSettings(): JSX.Element {
  const client = useClient();
  const words = useWords();
  const attempt = useAttempt();
  const [state, reload] = useLoaded(useCallback(() => client.sessions(), [client]));
  const end = async (sessions: readonly Session[], done: string): Promise<void> => {
    await attempt(Promise.all(sessions.map(({ id }) => client.endSession(id))), done);
    reload();
  };
  return (
    <>
      <p class="field-hint">{words.settings.sessionsText}</p>
      <LoadedView state={state} onRetry={reload}>
        {sessions => (
          <>
            <ul class="sessions">
              {currentFirst(sessions).map(session => (
                <SessionItem
                  key={session.id}
                  session={session}
                  onEnd={() => void end([session], words.settings.sessionEnded)}
                />
              ))}
            </ul>
            <EndOthers
              others={sessions.filter(session => !session.current)}
              onEnd={others => end(others, words.settings.othersEnded)}
            />
          </>
        )}
      </LoadedView>
    </>
  );
}

function SessionItem({ session, onEnd }: { session: Session; onEnd(): void }): JSX.Element {
  const words = useWords().settings;
  const locale = useLocale();
  const name = deviceName(session, words);
  const since = (iso: string): string => ago(iso, Date.now(), locale, words.justNow);
  return (
    <li class="settings-item">
      <span class="settings-item-icon">
        <Icon name="devices" />
      </span>
      <div class="settings-item-text">
        <p dir="auto">
          {name} {session.current && <span class="tag">{words.thisDevice}</span>}
        </p>
        <p class="field-hint">
          {words.signedInSince(since(session.created_at))}, {words.lastUsed(since(session.last_used_at))}
        </p>
      </div>
      {!session.current && (
        <Button aria-label={words.endNamed(name)} onClick={onEnd}>
          {words.end}
        </Button>
      )}
    </li>
  );
}

interface EndOthersProps {
  others: readonly Session[];
  onEnd(others: readonly Session[]): Promise<void>;
}

function EndOthers({ others, onEnd }: EndOthersProps): JSX.Element | null {
  const words = useWords().settings;
  const [isAsking, setAsking] = useState(false);
  if (others.length === 0) return null;
  return (
    <>
      <Button kind="danger" onClick={() => setAsking(true)}>
        {words.endOthers}
      </Button>
      {isAsking && (
        <Confirm
          title={words.endOthersTitle}
          action={words.endOthers}
          onConfirm={() => onEnd(others)}
          onClose={() => setAsking(false)}
        >
          <p>{words.endOthersText(others.length)}</p>
        </Confirm>
      )}
    </>
  );
}

function currentFirst(sessions: readonly Session[]): Session[] {
  return sessions.toSorted(
    (one, other) =>
      Number(other.current) - Number(one.current) || Date.parse(other.last_used_at) - Date.parse(one.last_used_at),
  );
}
