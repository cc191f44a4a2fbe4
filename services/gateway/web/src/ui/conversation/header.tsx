import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { goUp } from '../router';
import { Avatar } from '../widgets/avatar';
import { Button, IconButton } from '../widgets/button';
import { Dialog } from '../widgets/dialog';
import { MenuButton, type MenuItem } from '../widgets/menu';
import { showToast } from '../widgets/toasts';
import { useWords } from '../words';
import { PresenceLine } from './presence-line';
import { useKnown } from './use-known';

interface HeaderProps {
  conversation: Conversation;
  onJumpToDate(): void;
  onJumpToUnread(): void;
}

/** Who it is with, whether they are there, and what can be done with the conversation. */
export function Header({ conversation, onJumpToDate, onJumpToUnread }: HeaderProps): JSX.Element {
  const client = useClient();
  const words = useWords();
  const say = words.conversation;
  const [isBlocking, setBlocking] = useState(false);
  const { id, title, peer, muted, pinned, archived, blocked, unread, lastSeq } = conversation;
  const seen = useKnown(state => (peer === null ? undefined : state.presence.get(peer)));

  const attempt = (action: Promise<void>): void => {
    action.catch(() => showToast(words.common.wentWrong, { tone: 'bad' }));
  };
  const items: (MenuItem | false)[] = [
    {
      icon: 'calendar',
      label: say.jumpToDate,
      isDisabled: lastSeq === 0,
      onSelect: onJumpToDate,
    },
    client.dividerSeq.value !== null && {
      icon: 'next',
      label: say.jumpToUnread,
      onSelect: onJumpToUnread,
    },
    unread > 0 && {
      icon: 'checkAll',
      label: say.markRead,
      onSelect: () => attempt(client.markRead(id)),
    },
    lastSeq > 0 && {
      icon: muted ? 'bell' : 'bellOff',
      label: muted ? say.unmute : say.mute,
      onSelect: () => attempt(client.keep(id, { muted: !muted })),
    },
    lastSeq > 0 && {
      icon: 'pin',
      label: pinned ? say.unpin : say.pin,
      onSelect: () => attempt(client.keep(id, { pinned: !pinned })),
    },
    lastSeq > 0 && {
      icon: 'archive',
      label: archived ? say.unarchive : say.archive,
      onSelect: () => attempt(client.keep(id, { archived: !archived })),
    },
    peer !== null && {
      icon: 'ban',
      label: blocked ? say.unblock(title) : say.block(title),
      isDanger: !blocked,
      onSelect: () => (blocked ? attempt(client.block(peer, false)) : setBlocking(true)),
    },
  ];
  return (
    <header class="conversation-header">
      <IconButton icon="back" label={words.common.back} onClick={goUp} />
      <Avatar username={peer ?? id} title={title} presence={seen?.status} />
      <div class="conversation-title">
        <h1 dir="auto">{title}</h1>
        <PresenceLine conversation={conversation} />
      </div>
      <MenuButton label={say.options} items={items.filter(item => item !== false)} />
      {isBlocking && peer !== null && (
        <Dialog
          title={say.blockTitle(title)}
          onClose={() => setBlocking(false)}
          actions={
            <>
              <Button onClick={() => setBlocking(false)}>{words.common.cancel}</Button>
              <Button
                kind="danger"
                onClick={() => {
                  setBlocking(false);
                  attempt(client.block(peer, true));
                }}
              >
                {say.block(title)}
              </Button>
            </>
          }
        >
          <p>{say.blockText(title)}</p>
        </Dialog>
      )}
    </header>
  );
}
