import type { Signal } from '@preact/signals';
import type { JSX, RefObject, TargetedKeyboardEvent } from 'preact';
import { useEffect, useId, useLayoutEffect } from 'preact/hooks';
import type { Message } from '../../protocol';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { enterSends } from '../preferences';
import { IconButton } from '../widgets/button';
import { Icon } from '../widgets/icon';
import { showToast } from '../widgets/toasts';
import { useLocale, useWords } from '../words';
import { Closed } from './closed';
import { useDraft } from './draft';
import { lengthOf } from './length';
import { nameOf } from './names';
import { useTypingNotice } from './typing-notice';

/** The counter shows when fewer characters than this are left. */
const COUNTED = 200;

interface ComposerProps {
  conversation: Conversation;
  /** The message that is replied to. */
  replyTo: Signal<Message | null>;
  box: RefObject<HTMLTextAreaElement | null>;
  /** A message is on its way. */
  onSent(): void;
}

/** Where messages are written; a sentence where none can be sent. */
export function Composer(props: ComposerProps): JSX.Element {
  const client = useClient();
  const { conversation } = props;
  const isRefused = client.outbox.value.some(
    entry => entry.conversationId === conversation.id && entry.state === 'failed' && isClosed(entry.problem?.code),
  );
  return conversation.blocked || isRefused ? <Closed conversation={conversation} /> : <Open {...props} />;
}

/** The peer, or the group, takes nothing from the user until something else changes. */
function isClosed(code: string | undefined): boolean {
  return code === 'blocked' || code === 'not_member';
}

function Open({ conversation, replyTo, box, onSent }: ComposerProps): JSX.Element {
  const client = useClient();
  const words = useWords().conversation;
  const draft = useDraft(conversation.id);
  const typing = useTypingNotice(conversation.id);
  const counterId = useId();
  const text = draft.text.value;
  const limit = client.contentLimit.value;
  const content = text.trim();
  const left = limit - (text.length > limit - COUNTED ? lengthOf(content) : 0);
  const isTooLong = left < 0;

  useLayoutEffect(() => fit(box.current), [box, text]);
  useEffect(() => {
    if (!isTouch()) box.current?.focus({ preventScroll: true }); // there it would open the keyboard
  }, [box]);

  const send = async (): Promise<void> => {
    if (content === '' || isTooLong) return;
    const reply = replyTo.peek();
    draft.clear();
    replyTo.value = null;
    typing.stop();
    box.current?.focus();
    try {
      await client.send(conversation.id, content, reply?.message_id);
      onSent();
    } catch {
      if (draft.text.peek() === '') draft.write(content);
      if (reply) replyTo.value ??= reply;
      showToast(words.notKept, { tone: 'bad' });
    }
  };

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.isComposing) return;
    if (event.key === 'Enter' && sends(event)) {
      event.preventDefault();
      void send();
    } else if (event.key === 'Escape' && replyTo.peek()) {
      event.preventDefault();
      event.stopPropagation();
      replyTo.value = null;
    }
  };

  return (
    <form
      class="composer"
      onSubmit={event => {
        event.preventDefault();
        void send();
      }}
    >
      <div class="composer-field">
        <ReplyBar conversation={conversation} replyTo={replyTo} />
        <textarea
          ref={box}
          class="composer-box"
          rows={1}
          dir="auto"
          aria-label={words.write(conversation.title)}
          aria-describedby={counterId}
          aria-invalid={isTooLong}
          placeholder={words.placeholder}
          enterkeyhint={isTouch() ? 'enter' : 'send'}
          value={text}
          onInput={event => {
            draft.write(event.currentTarget.value);
            if (event.currentTarget.value.trim() === '') typing.stop();
            else typing.start();
          }}
          onKeyDown={onKeyDown}
          onBlur={typing.stop}
        />
        <Counter id={counterId} left={left} limit={limit} />
      </div>
      <button
        type="submit"
        class="composer-send"
        aria-label={words.send}
        title={words.send}
        disabled={content === '' || isTooLong}
        onPointerDown={event => event.preventDefault()} // the keyboard of a phone stays open
      >
        <Icon name="send" size={24} />
      </button>
    </form>
  );
}

function Counter({ id, left, limit }: { id: string; left: number; limit: number }): JSX.Element {
  const words = useWords().conversation;
  const locale = useLocale();
  const isShown = left < COUNTED;
  const number = (value: number): string => value.toLocaleString(locale);
  return (
    <p id={id} class={left < 0 ? 'composer-counter is-over' : 'composer-counter'} hidden={!isShown} role="status">
      {isShown && words.counter(number(limit - left), number(limit))}
      {left < 0 && <span class="visually-hidden">. {words.tooLong(-left)}</span>}
    </p>
  );
}

function ReplyBar({ conversation, replyTo }: Pick<ComposerProps, 'conversation' | 'replyTo'>): JSX.Element | null {
  const client = useClient();
  const words = useWords().conversation;
  const message = replyTo.value;
  if (!message) return null;
  const isOwn = message.sender === client.state.peek().me.username;
  return (
    <div class="reply-bar">
      <Icon name="reply" size={20} />
      <div class="reply-bar-text">
        <p class="reply-bar-name" dir="auto">
          {isOwn ? words.replyingToSelf : words.replyingTo(nameOf(conversation, message.sender))}
        </p>
        <p class="reply-bar-quote" dir="auto">
          {message.content}
        </p>
      </div>
      <IconButton
        icon="close"
        label={words.cancelReply}
        onClick={() => {
          replyTo.value = null;
        }}
      />
    </div>
  );
}

/** Whether this Enter sends, or begins a line. */
function sends(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey) return true;
  return !event.shiftKey && !event.altKey && enterSends.peek() === 'yes' && !isTouch();
}

function isTouch(): boolean {
  return matchMedia('(pointer: coarse)').matches;
}

/** Makes the box as high as its text, where the style sheet can't. */
function fit(box: HTMLTextAreaElement | null): void {
  if (!box || CSS.supports('field-sizing', 'content')) return;
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight}px`;
}
