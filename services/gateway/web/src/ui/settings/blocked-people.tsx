import type { JSX } from 'preact';
import { useCallback } from 'preact/hooks';
import type { BlockedPerson } from '../../protocol';
import { useAttempt } from '../attempt';
import { useClient } from '../context';
import { ago } from '../time';
import { Avatar } from '../widgets/avatar';
import { Button } from '../widgets/button';
import { useLocale, useWords } from '../words';
import { LoadedView, useLoaded } from './loaded';

/** Whom the user blocks. */
export function BlockedPeople(): JSX.Element {
  const client = useClient();
  const words = useWords();
  const locale = useLocale();
  const attempt = useAttempt();
  const [state, reload] = useLoaded(useCallback(() => client.blocked(), [client]));
  const unblock = async ({ username, display_name: name }: BlockedPerson): Promise<void> => {
    await attempt(client.block(username, false), words.settings.unblocked(name));
    reload();
  };
  return (
    <section class="settings-part" aria-labelledby="blocked-people">
      <h3 id="blocked-people">{words.settings.blockedPeople}</h3>
      <p class="field-hint">{words.settings.blockedText}</p>
      <LoadedView state={state} onRetry={reload}>
        {people =>
          people.length === 0 ? (
            <p>{words.settings.nobodyBlocked}</p>
          ) : (
            <ul>
              {people.map(person => (
                <li key={person.username} class="settings-item">
                  <Avatar username={person.username} title={person.display_name} />
                  <div class="settings-item-text">
                    <p dir="auto">{person.display_name}</p>
                    <p class="field-hint">
                      @{person.username},{' '}
                      {words.settings.blockedSince(ago(person.since, Date.now(), locale, words.settings.justNow))}
                    </p>
                  </div>
                  <Button
                    aria-label={words.settings.unblockName(person.display_name)}
                    onClick={() => void unblock(person)}
                  >
                    {words.settings.unblock}
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </LoadedView>
    </section>
  );
}
