import type { JSX, RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { Button } from '../widgets/button';
import { Icon } from '../widgets/icon';
import { showToast } from '../widgets/toasts';
import { useWords } from '../words';
import { lastWaiting, ordered } from './order';
import { Rows } from './rows';
import { focusSearch } from './search-box';

const PLACEHOLDERS = 8;
/** More are loaded when fewer px than this are left below. */
const AHEAD_PX = 800;

/** All conversations, or the archived ones. */
export function ConversationList(): JSX.Element {
  const client = useClient();
  const words = useWords();
  const [isArchive, setArchive] = useState(false);
  const { isReady } = client.list.value;
  const all = client.state.value.conversations;
  const waiting = lastWaiting(client.outbox.value);
  const shown = ordered(all.values(), waiting, isArchive);
  const archived = isArchive ? shown : [...all.values()].filter(one => one.archived);
  const scroller = useLoading();

  useEffect(() => {
    // Without it the row of the archive is missing, until the next visit.
    if (isReady) client.loadArchived().catch(() => undefined);
  }, [client, isReady]);

  if (!isReady) return <Placeholders />;
  return (
    <div ref={scroller} class="list-scroller">
      {isArchive && (
        <button type="button" class="row row-folder" onClick={() => setArchive(false)}>
          <Icon name="back" />
          <span class="row-title">{words.list.archived}</span>
          <span class="visually-hidden">{words.list.backToChats}</span>
        </button>
      )}
      {!isArchive && archived.length > 0 && <ArchiveRow archived={archived} onOpen={() => setArchive(true)} />}
      {shown.length > 0 && (
        <Rows label={isArchive ? words.list.archived : words.list.conversations} conversations={shown} />
      )}
      {shown.length === 0 && (isArchive ? <p class="results-note">{words.list.noArchived}</p> : <Empty />)}
      {client.list.value.isLoading && <p class="results-note">{words.common.loading}</p>}
    </div>
  );
}

function ArchiveRow({ archived, onOpen }: { archived: readonly Conversation[]; onOpen(): void }): JSX.Element {
  const words = useWords().list;
  const unread = archived.filter(one => one.unread > 0).length;
  return (
    <button type="button" class="row row-folder" onClick={onOpen}>
      <Icon name="archive" />
      <span class="row-title">{words.archived}</span>
      <span class="row-time">{words.archivedCount(archived.length)}</span>
      {unread > 0 && <span class="badge badge-muted">{words.badge(unread)}</span>}
    </button>
  );
}

function Empty(): JSX.Element {
  const words = useWords().list;
  return (
    <div class="list-empty">
      <Icon name="users" size={44} />
      <p class="list-empty-title">{words.empty}</p>
      <p>{words.emptyText}</p>
      <Button kind="primary" icon="search" onClick={focusSearch}>
        {words.findPeople}
      </Button>
    </div>
  );
}

function Placeholders(): JSX.Element {
  const words = useWords().list;
  return (
    <div class="list-scroller">
      <p class="visually-hidden" role="status">
        {words.loading}
      </p>
      <div class="skeleton-rows" aria-hidden="true">
        {Array.from({ length: PLACEHOLDERS }, (_, index) => (
          <div key={index} class="skeleton-row">
            <span class="skeleton skeleton-avatar" />
            <span class="skeleton skeleton-lines" />
          </div>
        ))}
      </div>
    </div>
  );
}

/** Loads more conversations when the end of the list comes near. */
function useLoading(): RefObject<HTMLDivElement | null> {
  const client = useClient();
  const words = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const { hasMore, isLoading } = client.list.value;
  useEffect(() => {
    const element = scroller.current;
    if (!element || !hasMore || isLoading) return;
    let isAsking = false;
    const look = (): void => {
      const left = element.scrollHeight - element.scrollTop - element.clientHeight;
      if (isAsking || left > AHEAD_PX) return;
      isAsking = true;
      client.loadMoreConversations().catch(() => {
        showToast(words.list.notLoaded, { tone: 'bad' });
        // The next scroll asks again: not this effect, which would ask without end.
        isAsking = false;
      });
    };
    look();
    element.addEventListener('scroll', look, { passive: true });
    return () => element.removeEventListener('scroll', look);
  }, [client, hasMore, isLoading, words]);
  return scroller;
}
