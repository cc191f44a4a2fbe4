import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { ConversationId, MessageId, Username } from '../../protocol';
import type { MessageRow as StoredRow, WaitingRow } from '../../state/rows';
import { isEmojiOnly } from '../../text/emoji';
import { clock } from '../../text/format';
import { hueClass } from '../people';
import { Avatar } from '../widgets/avatar';
import { IconButton } from '../widgets/button';
import type { MenuAnchor } from '../widgets/menu';
import { Tick, type TickState } from '../widgets/tick';
import { useLocale, useWords } from '../words';
import { MessageText } from './message-text';
import { Quote } from './quote';
import { contentOf } from './row-content';
import { shortened } from './shorten';

/** What rows ask of the list. The same object for all of them, always. */
export interface RowActions {
  jumpTo(messageId: MessageId): void;
  openMenu(key: string, anchor: MenuAnchor): void;
  openInfo(key: string): void;
  /** The row is about to grow: hold its top. */
  hold(key: string): void;
}

export interface MessageRowProps {
  row: StoredRow | WaitingRow;
  conversationId: ConversationId;
  sender: Username;
  senderName: string;
  /** Names and pictures are shown: there are more than two people. */
  isGroup: boolean;
  /** How far an own message is, and what that is called. */
  tick: TickState | null;
  tickLabel: string;
  /** Somebody jumped here just now. */
  isFound: boolean;
  /** Tab comes to this row. */
  isCurrent: boolean;
  actions: RowActions;
  /** What is said about it below: why it failed, who is away. */
  note: ComponentChildren;
}

/**
 * One message. Components that read signals, as this one reads the words, are rendered anew only when a prop changes.
 */
export function MessageRow(props: MessageRowProps): JSX.Element {
  const { row, sender, senderName, isGroup, tick, isCurrent, actions } = props;
  const { key, isFirst, isLast } = row;
  const isMine = row.kind === 'waiting' || row.mine;
  const { replyTo } = contentOf(row);
  const words = useWords().conversation;
  const classes = ['message'];
  if (isMine) classes.push('is-mine');
  if (isFirst) classes.push('is-head');
  if (isLast) classes.push('is-tail');
  if (props.isFound) classes.push('is-found');
  if (tick === 'failed' || tick === 'queued') classes.push(`is-${tick}`);
  return (
    <li
      class={classes.join(' ')}
      data-key={key}
      data-seq={row.kind === 'message' ? row.message.seq : undefined}
      data-state={tick ?? undefined}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- arrows move between messages, Enter opens the menu
      tabIndex={isCurrent ? 0 : -1}
    >
      {isGroup && !isMine && (
        <span class="message-avatar">{isLast && <Avatar username={sender} title={senderName} size={32} />}</span>
      )}
      <div class="bubble">
        {isGroup && !isMine && isFirst ? (
          <span class={`bubble-name ${hueClass(sender)}`} dir="auto">
            {senderName}
          </span>
        ) : (
          <span class="visually-hidden">{isMine ? words.youSaid : senderName}: </span>
        )}
        {replyTo !== null && (
          <Quote
            conversationId={props.conversationId}
            messageId={replyTo}
            isReachable={isCurrent}
            onJump={actions.jumpTo}
          />
        )}
        <Body {...props} />
        <IconButton
          icon="dots"
          label={words.actions}
          tabIndex={isCurrent ? 0 : -1}
          aria-haspopup="menu"
          onClick={event => actions.openMenu(key, event.currentTarget)}
        />
      </div>
      {props.note}
    </li>
  );
}

/** The text, with time and tick at the end of its last line. */
function Body({ row, tick, tickLabel, isCurrent, actions }: MessageRowProps): JSX.Element {
  const { text, at } = contentOf(row);
  const words = useWords().conversation;
  const locale = useLocale();
  const [isWhole, setWhole] = useState(false);
  const beginning = isWhole ? null : shortened(text);
  return (
    <div class={isEmojiOnly(text) ? 'bubble-body is-emoji' : 'bubble-body'} dir="auto">
      <span class="bubble-text">
        <MessageText text={beginning ?? text} />
      </span>
      {beginning !== null && (
        <button
          type="button"
          class="text-button show-all"
          dir="auto"
          tabIndex={isCurrent ? 0 : -1}
          onClick={() => {
            actions.hold(row.key);
            setWhole(true);
          }}
        >
          {words.showAll}
        </button>
      )}
      <button
        type="button"
        class="meta"
        title={words.info}
        tabIndex={isCurrent ? 0 : -1}
        onClick={() => actions.openInfo(row.key)}
      >
        <time dateTime={at}>{clock(at, locale)}</time>
        {tick && <Tick state={tick} label={tickLabel} />}
      </button>
    </div>
  );
}
