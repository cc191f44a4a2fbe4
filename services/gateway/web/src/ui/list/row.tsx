import type { JSX } from 'preact';
import type { Presence, Username } from '../../protocol';
import type { Conversation, OutboxEntry } from '../../state/model';
import { listTime } from '../../text/format';
import { pathOf } from '../router';
import { Avatar } from '../widgets/avatar';
import { Icon } from '../widgets/icon';
import { Tick } from '../widgets/tick';
import { useLocale, useWords } from '../words';
import { previewOf } from './preview';

interface RowProps {
  conversation: Conversation;
  me: Username;
  /** The last message that waits in this browser. */
  waiting: OutboxEntry | undefined;
  /** Who types, in words; empty where nobody does. */
  typing: string;
  presence: Presence | undefined;
  isOpen: boolean;
  /** Tab comes here; arrows move on. */
  isTabStop: boolean;
  /** The local day: on another one the times read differently. */
  day: string;
}

/**
 * A conversation in the list. It has no state of its own and reads signals, so Preact's signals render it anew only
 * when a prop changes: a list of hundreds depends on that. What happens to it is heard by the list.
 */
export function Row({ conversation, me, waiting, typing, presence, isOpen, isTabStop, day }: RowProps): JSX.Element {
  const words = useWords();
  const locale = useLocale();
  const { id, title, peer, muted, pinned, unread } = conversation;
  const at = waiting?.createdAt ?? conversation.lastMessage?.sent_at;
  return (
    <li class="row-place">
      <a
        class="row"
        href={pathOf({ page: 'conversation', id })}
        data-id={id}
        tabIndex={isTabStop ? 0 : -1}
        draggable={false}
        {...(isOpen ? { 'aria-current': 'page' as const } : {})}
      >
        <Avatar username={peer ?? id} title={title} size={48} presence={presence} />
        <span class="row-text">
          <span class="row-line">
            <span class="row-title" dir="auto">
              {title}
            </span>
            {presence && presence !== 'offline' && <Hidden text={words.presence[presence]} />}
            {muted && <Mark icon="bellOff" text={words.list.muted} />}
            {at && (
              <time class="row-time" dateTime={at}>
                {listTime(at, dateOf(day), locale, words.list)}
              </time>
            )}
          </span>
          <span class="row-line">
            <PreviewText preview={previewOf(conversation, waiting, me, isOpen)} typing={typing} />
            {pinned && unread === 0 && <Mark icon="pin" text={words.list.pinned} />}
            {unread > 0 && (
              <span class={muted ? 'badge badge-muted' : 'badge'}>
                <span aria-hidden="true">{words.list.badge(unread)}</span>
                <Hidden text={words.list.unread(unread)} />
              </span>
            )}
          </span>
        </span>
      </a>
      <button
        type="button"
        class="row-more"
        tabIndex={-1}
        title={words.common.more}
        aria-label={words.list.optionsOf(title)}
        aria-haspopup="menu"
      >
        <Icon name="down" size={18} />
      </button>
    </li>
  );
}

function PreviewText({ preview, typing }: { preview: ReturnType<typeof previewOf>; typing: string }): JSX.Element {
  const words = useWords();
  if (typing !== '') return <span class="row-preview row-typing">{typing}</span>;
  if (preview.kind === 'none') return <span class="row-preview" />;
  const isDraft = preview.kind === 'draft';
  return (
    <>
      {isDraft && <span class="row-draft">{words.list.draft}</span>}
      {!isDraft && preview.isOwn && <span class="row-you">{words.list.you}</span>}
      {/* Apart from the words before it: text in the other direction is cut at its own end. */}
      <span class="row-preview" dir="auto">
        {preview.text}
      </span>
      {!isDraft && preview.tick && <Tick state={preview.tick} />}
    </>
  );
}

function Mark({ icon, text }: { icon: 'pin' | 'bellOff'; text: string }): JSX.Element {
  return (
    <span class="row-mark" title={text}>
      <Icon name={icon} size={15} />
      <Hidden text={text} />
    </span>
  );
}

/** Said to those who don't see the mark; commas let screen readers pause. */
function Hidden({ text }: { text: string }): JSX.Element {
  return <span class="visually-hidden">, {text}, </span>;
}

function dateOf(day: string): Date {
  return new Date(`${day}T12:00:00`);
}
