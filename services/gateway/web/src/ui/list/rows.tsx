import type { JSX } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { ConversationId } from '../../protocol';
import type { Conversation } from '../../state/model';
import { useAttempt } from '../attempt';
import { useClient } from '../context';
import { typingText } from '../conversation/typing';
import { useDay } from '../day';
import { Menu, type MenuAnchor } from '../widgets/menu';
import { useWords } from '../words';
import { conversationActions } from './actions';
import { onLongPress } from './long-press';
import { lastWaiting } from './order';
import { moveAmong } from './roving';
import { Row } from './row';

interface RowsProps {
  label: string;
  conversations: readonly Conversation[];
}

interface OpenMenu {
  readonly id: ConversationId;
  readonly anchor: MenuAnchor;
}

/** Conversations as a list of links: one stop for Tab, arrows move, a menu for each. */
export function Rows({ label, conversations }: RowsProps): JSX.Element {
  const client = useClient();
  const words = useWords();
  const attempt = useAttempt();
  const day = useDay();
  const list = useRef<HTMLUListElement>(null);
  const [focused, setFocused] = useState<ConversationId | null>(null);
  const [menu, setMenu] = useState<OpenMenu | null>(null);
  const closeMenu = useCallback(() => setMenu(null), []);

  const state = client.state.value;
  const openId = client.openId.value;
  const waiting = lastWaiting(client.outbox.value);
  const has = (id: ConversationId | null): boolean => conversations.some(one => one.id === id);
  const tabStop = has(focused) ? focused : has(openId) ? openId : conversations[0]?.id;
  const ofMenu = menu && conversations.find(({ id }) => id === menu.id);
  const actions = ofMenu ? conversationActions(ofMenu, client, words, attempt) : [];

  useEffect(() => {
    if (!list.current) return;
    return onLongPress(list.current, (target, x, y) => {
      const id = idAt(target);
      if (id !== null) setMenu({ id, anchor: { x, y } });
    });
  }, []);

  const onContextMenu = (event: MouseEvent): void => {
    const id = idAt(event.target);
    if (id === null || !(event.target instanceof Element)) return;
    event.preventDefault();
    const isByKey = event.button !== 2 && event.clientX === 0 && event.clientY === 0;
    setMenu({ id, anchor: isByKey ? event.target : { x: event.clientX, y: event.clientY } });
  };
  const onClick = (event: MouseEvent): void => {
    const button = event.target instanceof Element ? event.target.closest('.row-more') : null;
    const id = button && idAt(button);
    if (button && id !== null) setMenu({ id, anchor: button });
  };

  return (
    <>
      <ul
        ref={list}
        class="rows"
        aria-label={label}
        onContextMenu={onContextMenu}
        onClick={onClick}
        onKeyDown={event => {
          if (list.current && moveAmong(list.current, 'a.row', event.key)) event.preventDefault();
        }}
        onFocusIn={event => setFocused(idAt(event.target))}
      >
        {conversations.map(conversation => (
          <Row
            key={conversation.id}
            conversation={conversation}
            me={state.me.username}
            waiting={waiting.get(conversation.id)}
            typing={typingOf(conversation)}
            presence={conversation.peer === null ? undefined : state.presence.get(conversation.peer)?.status}
            isOpen={conversation.id === openId}
            isTabStop={conversation.id === tabStop}
            day={day}
          />
        ))}
      </ul>
      {menu && ofMenu && actions.length > 0 && (
        <Menu label={words.list.optionsOf(ofMenu.title)} items={actions} anchor={menu.anchor} onClose={closeMenu} />
      )}
    </>
  );

  function typingOf(conversation: Conversation): string {
    const text = typingText(words.conversation, state, conversation);
    return text !== '' && conversation.kind === 'direct' ? words.conversation.typingShort : text;
  }
}

function idAt(target: EventTarget | null): ConversationId | null {
  if (!(target instanceof Element)) return null;
  const link = target.closest('.row-place')?.querySelector<HTMLElement>('a.row');
  return link?.dataset['id'] ?? null;
}
