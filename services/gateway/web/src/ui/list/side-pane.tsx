import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useClient } from '../context';
import { pathOf, route } from '../router';
import { Avatar } from '../widgets/avatar';
import { IconButton } from '../widgets/button';
import { useWords } from '../words';
import { ConversationList } from './conversation-list';
import { query } from './search';
import { focusSearch, SearchBox } from './search-box';
import { SearchResults } from './search-results';

/** The list's pane. Its title is the page's heading where no other pane has one. */
export function SidePane(): JSX.Element {
  const words = useWords();
  const body = useRef<HTMLDivElement>(null);
  const at = route.value;
  useEffect(() => {
    query.value = ''; // what was looked for is found
  }, [at]);
  const Heading = at.page === 'list' ? 'h1' : 'h2';
  const toFirst = (move: 'focus' | 'open'): void => {
    const first = body.current?.querySelector<HTMLElement>('a.row, .row-person');
    if (move === 'open') first?.click();
    else first?.focus();
  };
  return (
    <nav class="side" aria-label={words.list.conversations}>
      <header class="side-head">
        <OwnLink />
        <Heading class="side-title" tabIndex={-1}>
          {words.list.title}
        </Heading>
        <IconButton icon="compose" label={words.list.newChat} onClick={focusSearch} />
      </header>
      <SearchBox onFirst={toFirst} />
      <div ref={body} class="side-body">
        {query.value.trim() === '' ? <ConversationList /> : <SearchResults />}
      </div>
    </nav>
  );
}

function OwnLink(): JSX.Element {
  const client = useClient();
  const words = useWords();
  const { username, display_name: name } = client.profile.value;
  const chosen = client.chosenPresence.value;
  const presence = chosen === 'invisible' || client.connection.value.state === 'offline' ? 'offline' : chosen;
  return (
    <a class="own-link" href={pathOf({ page: 'settings', section: null })} title={words.settings.title}>
      <Avatar username={username} title={name} size={32} presence={presence} />
      <span class="visually-hidden">{words.settings.title}</span>
    </a>
  );
}
