import type { JSX } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { useBegin } from '../list/begin';
import { lastWaiting, matching, ordered } from '../list/order';
import { usePeople } from '../list/search';
import { navigate } from '../router';
import { Avatar } from '../widgets/avatar';
import { Dialog } from '../widgets/dialog';
import { Icon } from '../widgets/icon';
import { useWords } from '../words';

const MOST = 12;

/** A conversation, or somebody to begin one with. */
interface Choice {
  readonly key: string;
  readonly username: string;
  readonly title: string;
  readonly detail: string;
  readonly unread: number;
  choose(): void;
}

/** Goes to a conversation or a person by a few letters: a combobox in a dialog. */
export function Switcher({ onClose }: { onClose(): void }): JSX.Element {
  const words = useWords().list;
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const listId = useId();
  const list = useRef<HTMLUListElement>(null);
  const { choices, isSearching } = useChoices(text, onClose);
  const active = Math.min(at, choices.length - 1);

  useLayoutEffect(() => {
    list.current?.children[active]?.scrollIntoView?.({ block: 'nearest' });
  }, [active]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    const to = { ArrowDown: active + 1, ArrowUp: active - 1 }[event.key];
    if (to !== undefined) setAt((to + choices.length) % Math.max(1, choices.length));
    else if (event.key === 'Enter') choices[active]?.choose();
    else return;
    event.preventDefault();
  };
  const note = isSearching ? words.searching : choices.length === 0 ? words.noMatch : '';
  return (
    <Dialog title={words.switcher} onClose={onClose}>
      <div class="search">
        <Icon name="search" size={18} />
        <input
          type="text"
          role="combobox"
          autofocus
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          dir="auto"
          maxLength={64}
          aria-label={words.switcherHint}
          placeholder={words.switcherHint}
          aria-expanded={choices.length > 0}
          aria-controls={listId}
          aria-autocomplete="list"
          {...(choices.length > 0 ? { 'aria-activedescendant': `${listId}-${active}` } : {})}
          value={text}
          onInput={event => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <ul ref={list} id={listId} class="switcher-list" role="listbox" aria-label={words.switcherHint}>
        {choices.map((choice, index) => (
          <li
            key={choice.key}
            id={`${listId}-${index}`}
            class="switcher-choice"
            role="option"
            aria-selected={index === active}
            onClick={() => choice.choose()}
          >
            <Avatar username={choice.username} title={choice.title} size={32} />
            <span class="row-title" dir="auto">
              {choice.title}
            </span>
            <span class="switcher-detail">{choice.detail}</span>
            {choice.unread > 0 && <span class="badge">{words.badge(choice.unread)}</span>}
          </li>
        ))}
      </ul>
      <p class="results-note" role="status">
        {note}
      </p>
    </Dialog>
  );
}

function useChoices(text: string, onClose: () => void): { choices: readonly Choice[]; isSearching: boolean } {
  const client = useClient();
  const found = usePeople(text);
  const { begin } = useBegin();
  const waiting = lastWaiting(client.outbox.value);
  const fitting = matching(client.state.value.conversations.values(), text);
  const own = [...ordered(fitting, waiting, false), ...ordered(fitting, waiting, true)].slice(0, MOST);
  const listed = new Set(fitting.map(({ peer }) => peer));
  const chats = own.map((one: Conversation): Choice => ({
    key: one.id,
    username: one.peer ?? one.id,
    title: one.title,
    detail: one.peer === null ? '' : `@${one.peer}`,
    unread: one.unread,
    choose() {
      onClose();
      navigate({ page: 'conversation', id: one.id });
    },
  }));
  const people = found.people
    .filter(({ username }) => !listed.has(username))
    .map((person): Choice => ({
      key: `@${person.username}`,
      username: person.username,
      title: person.display_name,
      detail: `@${person.username}`,
      unread: 0,
      choose() {
        void begin(person.username).then(onClose);
      },
    }));
  return { choices: [...chats, ...people], isSearching: found.isSearching };
}
