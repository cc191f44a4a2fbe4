import type { Client } from '../../app/client';
import type { Catalogue } from '../../i18n/en';
import type { Conversation } from '../../state/model';
import type { Attempt } from '../attempt';
import type { MenuItem } from '../widgets/menu';
import { showToast } from '../widgets/toasts';

/** What can be done with a conversation from the list: nothing before its first message, when the server has none of it. */
export function conversationActions(
  conversation: Conversation,
  client: Client,
  words: Catalogue,
  attempt: Attempt,
): MenuItem[] {
  const { id, pinned, muted, archived, unread, lastSeq } = conversation;
  if (lastSeq === 0) return [];
  const archive = async (): Promise<void> => {
    if (!(await attempt(client.keep(id, { archived: !archived })))) return;
    showToast(archived ? words.list.unarchivedToast : words.list.archivedToast, {
      action: { label: words.list.undo, run: () => void attempt(client.keep(id, { archived })) },
    });
  };
  return [
    ...(unread > 0
      ? [
          {
            label: words.conversation.markRead,
            icon: 'checkAll' as const,
            onSelect: () => void attempt(client.markRead(id)),
          },
        ]
      : []),
    {
      label: pinned ? words.conversation.unpin : words.conversation.pin,
      icon: 'pin',
      onSelect: () => void attempt(client.keep(id, { pinned: !pinned })),
    },
    {
      label: muted ? words.conversation.unmute : words.conversation.mute,
      icon: muted ? 'bell' : 'bellOff',
      onSelect: () => void attempt(client.keep(id, { muted: !muted })),
    },
    {
      label: archived ? words.conversation.unarchive : words.conversation.archive,
      icon: 'archive',
      onSelect: () => void archive(),
    },
  ];
}
