import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { ConversationId, Message } from '../../protocol';
import type { Conversation as Known } from '../../state/model';
import { dayOf } from '../../text/format';
import { useClient } from '../context';
import { later } from '../widgets/later';
import { showToast } from '../widgets/toasts';
import { useWords } from '../words';
import { Composer } from './composer';
import { NotThere, Placeholders } from './empty';
import { Failures } from './failures';
import { Header } from './header';
import { MessageList } from './list';
import { Typing } from './typing';
import { useKnown } from './use-known';
import { useKeysForBox } from './keys-for-box';
import { Visit } from './visit';

export { NoConversation } from './empty';

const DateDialog = later(async () => (await import('./date-dialog')).DateDialog);
const InfoOf = later(async () => (await import('./info-of')).InfoOf);

/** The pane of a conversation. */
export function Conversation({ id }: { id: ConversationId }): JSX.Element {
  const client = useClient();
  const conversation = useKnown(state => state.conversations.get(id));
  if (conversation) return <Pane key={id} conversation={conversation} />;
  const isConnected = /^(?:online|polling)$/.test(client.connection.value.state);
  const isGone = isConnected && client.loading.value.get(id)?.problem != null;
  if (isGone) return <NotThere />;
  return (
    <section class="conversation">
      <Placeholders />
    </section>
  );
}

function Pane({ conversation }: { conversation: Known }): JSX.Element {
  const client = useClient();
  const words = useWords().conversation;
  const { id } = conversation;
  const visit = useMemo(() => new Visit(client, id), [client, id]);
  const replyTo = useSignal<Message | null>(null);
  const box = useRef<HTMLTextAreaElement>(null);
  const [infoKey, setInfoKey] = useState<string | null>(null);
  const [askedDay, setAskedDay] = useState<string | null>(null);
  useKeysForBox(box);

  const jumpToDate = async (date: Date): Promise<void> => {
    setAskedDay(null);
    const isThere = await visit.jump({ to: 'date', date });
    if (!isThere) showToast(words.dateNone);
  };
  return (
    <section class="conversation">
      <Header
        conversation={conversation}
        onJumpToDate={() => setAskedDay(dayOf(conversation.lastMessage?.sent_at ?? new Date()))}
        onJumpToUnread={() => void visit.jump({ to: 'unread' })}
      />
      <MessageList
        conversation={conversation}
        visit={visit}
        onInfo={setInfoKey}
        onChooseDay={setAskedDay}
        onLeave={() => box.current?.focus()}
        onReply={message => {
          replyTo.value = message;
          box.current?.focus();
        }}
      />
      <Typing conversation={conversation} />
      <Failures conversation={conversation} />
      <Composer conversation={conversation} replyTo={replyTo} box={box} onSent={() => void visit.jumpToEnd()} />
      {infoKey !== null && <InfoOf conversation={conversation} rowKey={infoKey} onClose={() => setInfoKey(null)} />}
      {askedDay !== null && (
        <DateDialog day={askedDay} onClose={() => setAskedDay(null)} onChoose={date => void jumpToDate(date)} />
      )}
    </section>
  );
}
