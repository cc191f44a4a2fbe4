import type { JSX } from 'preact';
import { Icon } from '../widgets/icon';
import { useWords } from '../words';

/** Goes to the newest message; tells how many came that were not shown. */
export function JumpButton({ unread, onJump }: { unread: number; onJump(): void }): JSX.Element {
  const words = useWords().conversation;
  const label = unread > 0 ? `${words.newBelow(unread)}. ${words.goToLatest}` : words.goToLatest;
  return (
    <button type="button" class="jump" aria-label={label} title={words.goToLatest} onClick={onJump}>
      {unread > 0 && <span class="jump-count">{words.countBadge(unread)}</span>}
      <Icon name="down" size={26} />
    </button>
  );
}
