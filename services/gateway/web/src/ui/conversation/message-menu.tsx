import type { JSX } from 'preact';
import type { Message } from '../../protocol';
import type { Row } from '../../state/rows';
import { Menu, type MenuAnchor, type MenuItem } from '../widgets/menu';
import { useWords } from '../words';
import { copyText } from './copy';
import { contentOf } from './row-content';

interface MessageMenuProps {
  row: Row | undefined;
  anchor: MenuAnchor;
  onClose(): void;
  onReply(message: Message): void;
  onInfo(key: string): void;
}

/** What can be done with a message. */
export function MessageMenu({ row, anchor, onClose, onReply, onInfo }: MessageMenuProps): JSX.Element | null {
  const words = useWords().conversation;
  if (row?.kind !== 'message' && row?.kind !== 'waiting') return null;
  const items: MenuItem[] = [
    {
      icon: 'copy',
      label: words.copy,
      onSelect: () => void copyText(contentOf(row).text, words),
    },
    { icon: 'info', label: words.info, onSelect: () => onInfo(row.key) },
  ];
  if (row.kind === 'message') {
    items.unshift({
      icon: 'reply',
      label: words.reply,
      onSelect: () => onReply(row.message),
    });
  }
  return <Menu label={words.actions} items={items} anchor={anchor} onClose={onClose} />;
}
