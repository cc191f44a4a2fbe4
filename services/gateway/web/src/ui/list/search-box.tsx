import type { JSX } from 'preact';
import { IconButton } from '../widgets/button';
import { Icon } from '../widgets/icon';
import { useWords } from '../words';
import { query } from './search';

const ID = 'search';

/** Put the caret into the search box. */
export function focusSearch(): void {
  document.getElementById(ID)?.focus();
}

/** Searches own conversations and all people. Esc empties it, then leaves it. */
export function SearchBox({ onFirst }: { onFirst(move: 'focus' | 'open'): void }): JSX.Element {
  const words = useWords().list;
  const text = query.value;
  const onKeyDown = (event: KeyboardEvent & { currentTarget: HTMLInputElement }): void => {
    if (event.isComposing) return;
    if (event.key === 'Escape') {
      event.preventDefault();
      if (query.peek() === '') event.currentTarget.blur();
      query.value = '';
    } else if (event.key === 'ArrowDown' || (event.key === 'Enter' && text.trim() !== '')) {
      event.preventDefault();
      onFirst(event.key === 'Enter' ? 'open' : 'focus');
    }
  };
  return (
    <search class="search">
      <Icon name="search" size={18} />
      <input
        id={ID}
        type="text"
        role="searchbox"
        inputMode="search"
        enterkeyhint="search"
        autocomplete="off"
        autocapitalize="none"
        spellcheck={false}
        dir="auto"
        maxLength={64}
        aria-label={words.searchLabel}
        placeholder={words.search}
        value={text}
        onInput={event => {
          query.value = event.currentTarget.value;
        }}
        onKeyDown={onKeyDown}
      />
      {text !== '' && (
        <IconButton
          icon="close"
          label={words.clearSearch}
          onClick={() => {
            query.value = '';
            focusSearch();
          }}
        />
      )}
    </search>
  );
}
