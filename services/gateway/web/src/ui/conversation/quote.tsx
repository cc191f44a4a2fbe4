import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import type { ConversationId, MessageId } from '../../protocol';
import { useClient } from '../context';
import { hueClass } from '../people';
import { useWords } from '../words';
import { nameOf } from './names';

interface QuoteProps {
  conversationId: ConversationId;
  messageId: MessageId;
  onJump(messageId: MessageId): void;
  /** Whether it can be reached with Tab now. */
  isReachable: boolean;
}

/** The beginning of the message that a reply is about, above its text; a click goes there. */
export function Quote({ conversationId, messageId, onJump, isReachable }: QuoteProps): JSX.Element {
  const client = useClient();
  const words = useWords().conversation;
  const quoted = useMemo(() => client.quoted(conversationId, messageId), [client, conversationId, messageId]).value;
  if (!quoted) {
    return <span class="quote quote-gone">{quoted === null ? words.quoteGone : words.quoteLoading}</span>;
  }
  const { me, conversations } = client.state.peek();
  const name = quoted.sender === me.username ? words.youSaid : nameOf(conversations.get(conversationId), quoted.sender);
  return (
    <button
      type="button"
      class={`quote ${hueClass(quoted.sender)}`}
      tabIndex={isReachable ? 0 : -1}
      aria-label={`${words.quoteOf(name)}: ${quoted.content}`}
      onClick={() => onJump(quoted.message_id)}
    >
      <span class="quote-name" dir="auto">
        {name}
      </span>
      <span class="quote-text" dir="auto">
        {quoted.content}
      </span>
    </button>
  );
}
