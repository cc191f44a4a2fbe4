import { useComputed, useSignalEffect } from '@preact/signals';
import type { JSX, TargetedKeyboardEvent } from 'preact';
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Loading } from '../../app/client';
import type { Message } from '../../protocol';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { announce } from '../widgets/announcer';
import type { MenuAnchor } from '../widgets/menu';
import { useWords } from '../words';
import { Day, FloatingDay } from './day';
import { Edge } from './edge';
import { NotLoaded, Placeholders, SayHello } from './empty';
import { JumpButton } from './jump-button';
import { MessageMenu } from './message-menu';
import type { RowActions } from './message-row';
import { MessageRows } from './message-rows';
import { leftAt } from './positions';
import { useRowEvents } from './row-events';
import { moveBetweenRows } from './row-keys';
import { Scroller } from './scroller';
import { useFloatingDay } from './use-floating-day';
import { useKnown } from './use-known';
import { useRows } from './use-rows';
import type { Visit } from './visit';

const IDLE: Loading = {
  older: false,
  newer: false,
  place: false,
  problem: null,
};

interface MessageListProps {
  conversation: Conversation;
  visit: Visit;
  onReply(message: Message): void;
  onInfo(key: string): void;
  onChooseDay(day: string): void;
  /** The user is done with the list: to where one writes. */
  onLeave(): void;
}

/** The messages of a conversation, as far as they are held: more are loaded where people scroll to. */
export function MessageList({
  conversation,
  visit,
  onReply,
  onInfo,
  onChooseDay,
  onLeave,
}: MessageListProps): JSX.Element {
  const client = useClient();
  const words = useWords().conversation;
  const { id } = conversation;
  const rows = useRows(id);
  const run = useKnown(state => state.runs.get(id));
  const loading = useComputed(() => client.loading.value.get(id) ?? IDLE).value;
  const isOpen = useComputed(() => client.openId.value === id).value;
  const [menu, setMenu] = useState<{ key: string; anchor: MenuAnchor } | null>(null);
  const closeMenu = useCallback(() => setMenu(null), []);
  const [currentKey, setCurrentKey] = useState<string | null>(null);
  const [floating, lookForDay] = useFloatingDay();
  const list = useRef<HTMLOListElement>(null);
  visit.setRows(rows, isOpen);

  const actions = useMemo<RowActions>(
    () => ({
      jumpTo: messageId => void visit.jump({ to: 'message', messageId }),
      openMenu: (key, anchor) => setMenu({ key, anchor }),
      openInfo: onInfo,
      hold: key => visit.hold(key),
    }),
    [visit, onInfo],
  );
  const events = useMemo(() => ({ onMenu: actions.openMenu, onFocus: setCurrentKey }), [actions]);
  useRowEvents(list, events);
  useReports(visit);
  useAnnouncements();

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const { key, target, currentTarget } = event;
    if (key === 'End' && run?.reachesEnd === false && !event.shiftKey) void visit.jumpToEnd();
    else if (key === 'Enter' && target instanceof HTMLElement && target.dataset['key'] !== undefined) {
      setMenu({
        key: target.dataset['key'],
        anchor: target.querySelector('.bubble') ?? target,
      });
    } else if (key === 'Escape' && !event.defaultPrevented) onLeave();
    else if (!moveBetweenRows(currentTarget, event)) return;
    event.preventDefault();
  };

  const isEmpty = rows.length === 0;
  return (
    <div class="conversation-list">
      <FloatingDay {...floating.value} />
      <Scroller
        label={words.messages(conversation.title)}
        isBusy={loading.older || loading.newer || loading.place}
        position={leftAt(client, id)?.anchor ?? 'end'}
        onReady={keeper => visit.start(keeper)}
        onSettled={() => visit.settled()}
        onScrolled={(isByPerson, scroller) => {
          visit.scrolled(isByPerson);
          if (isByPerson) lookForDay(scroller);
        }}
        onKeyDown={onKeyDown}
      >
        {isEmpty && run === undefined && loading.problem === null && <Placeholders />}
        {isEmpty && run === undefined && loading.problem !== null && (
          <NotLoaded problem={loading.problem} onRetry={() => void visit.retry()} />
        )}
        {isEmpty && run?.reachesEnd && <SayHello conversation={conversation} />}
        {run && !run.reachesStart && (
          <Edge isLoading={loading.older} isBroken={loading.problem !== null} onRetry={() => void visit.retry()} />
        )}
        <ol ref={list} class="messages">
          <MessageRows
            rows={rows}
            conversation={conversation}
            currentKey={currentKey}
            foundKey={visit.found.value}
            actions={actions}
            renderDay={day => <Day key={`day-${day}`} day={day} onChoose={onChooseDay} />}
          />
        </ol>
        {run && !run.reachesEnd && (
          <Edge isLoading={loading.newer} isBroken={loading.problem !== null} onRetry={() => void visit.retry()} />
        )}
      </Scroller>
      {loading.place && run && <span class="list-spinner spinner" aria-hidden="true" />}
      {visit.isAway.value && (
        <div class="jumps">
          <JumpButton unread={conversation.unread} onJump={() => void visit.jumpToEnd()} />
        </div>
      )}
      {menu && (
        <MessageMenu
          row={rows.find(({ key }) => key === menu.key)}
          anchor={menu.anchor}
          onClose={closeMenu}
          onReply={onReply}
          onInfo={onInfo}
        />
      )}
    </div>
  );
}

/** What is on the screen counts as shown also when the tab comes to the front, or gets the focus. */
function useReports(visit: Visit): void {
  useEffect(() => {
    document.addEventListener('visibilitychange', visit.report);
    addEventListener('focus', visit.report);
    return () => {
      document.removeEventListener('visibilitychange', visit.report);
      removeEventListener('focus', visit.report);
    };
  }, [visit]);
  useEffect(() => () => visit.end(), [visit]);
}

/** Messages that come are read out; history is silent. */
function useAnnouncements(): void {
  const client = useClient();
  const words = useWords().conversation;
  const last = useRef(client.announcement.peek()?.n ?? 0);
  useSignalEffect(() => {
    const said = client.announcement.value;
    if (!said || said.n === last.current) return;
    last.current = said.n;
    announce(words.announced(said.sender, said.content));
  });
}
