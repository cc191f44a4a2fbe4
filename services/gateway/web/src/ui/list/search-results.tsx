import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId } from 'preact/hooks';
import type { Person } from '../../protocol';
import { useClient } from '../context';
import { announce } from '../widgets/announcer';
import { Avatar } from '../widgets/avatar';
import { useWords } from '../words';
import { useBegin } from './begin';
import { lastWaiting, matching, ordered } from './order';
import { Rows } from './rows';
import { type FoundPeople, query, usePeople } from './search';

/** What was found for the text in the search box: own conversations at once, people a moment later. */
export function SearchResults(): JSX.Element {
  const client = useClient();
  const words = useWords().list;
  const text = query.value;
  const found = usePeople(text);
  const waiting = lastWaiting(client.outbox.value);
  const all = client.state.value.conversations.values();
  const own = matching(all, text);
  const chats = [...ordered(own, waiting, false), ...ordered(own, waiting, true)];
  const listed = new Set(chats.map(({ peer }) => peer));
  const people = found.people.filter(({ username }) => !listed.has(username));
  const count = chats.length + people.length;

  useEffect(() => {
    if (found.query !== '' && !found.isSearching) announce(words.found(count));
  }, [found, count, words]);

  return (
    <div class="results">
      {chats.length > 0 && (
        <Section title={words.chats}>
          <Rows label={words.chats} conversations={chats} />
        </Section>
      )}
      <Section title={words.people}>
        <People found={found} people={people} isNothingElse={chats.length === 0} />
      </Section>
    </div>
  );
}

function Section({ title, children }: { title: string; children: ComponentChildren }): JSX.Element {
  const id = useId();
  return (
    <section aria-labelledby={id}>
      <p id={id} class="results-title">
        {title}
      </p>
      {children}
    </section>
  );
}

interface PeopleProps {
  found: FoundPeople;
  /** Those with whom there is no conversation yet. */
  people: readonly Person[];
  isNothingElse: boolean;
}

function People({ found, people, isNothingElse }: PeopleProps): JSX.Element {
  const words = useWords().list;
  const { pending, begin } = useBegin();
  if (people.length === 0) {
    return <p class="results-note">{noteOf(found, isNothingElse, words)}</p>;
  }
  return (
    <ul class="rows" aria-label={words.people}>
      {people.map(person => (
        <li key={person.username}>
          <PersonButton person={person} isPending={pending === person.username} onChoose={begin} />
        </li>
      ))}
    </ul>
  );
}

interface PersonButtonProps {
  person: Person;
  isPending: boolean;
  onChoose(username: string): Promise<void>;
}

function PersonButton({ person, isPending, onChoose }: PersonButtonProps): JSX.Element {
  const { username, display_name: name } = person;
  return (
    <button type="button" class="row row-person" aria-busy={isPending} onClick={() => void onChoose(username)}>
      <Avatar username={username} title={name} size={40} />
      <span class="row-text">
        <span class="row-title" dir="auto">
          {name}
        </span>
        <span class="row-preview">@{username}</span>
      </span>
    </button>
  );
}

function noteOf(found: FoundPeople, isNothingElse: boolean, words: ReturnType<typeof useWords>['list']): string {
  if (found.query === '') return words.twoLetters;
  if (found.isSearching) return words.searching;
  if (found.hasFailed) return words.searchFailed;
  return isNothingElse ? words.nobody(found.query) : words.noMatch;
}
