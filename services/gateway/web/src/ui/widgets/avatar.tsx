import type { JSX } from 'preact';
import type { Presence } from '../../protocol';
import { hueClass, initials } from '../people';

interface AvatarProps {
  username: string;
  /** What the person or conversation is called. */
  title: string;
  /** In px. */
  size?: 24 | 32 | 40 | 48 | 72;
  /** Shows a dot where somebody is there. Say it in words beside it, too. */
  presence?: Presence | undefined;
}

/** Initials on the colour of a username: decoration beside the name. */
export function Avatar({ username, title, size = 40, presence }: AvatarProps): JSX.Element {
  return (
    <span class={`avatar avatar-${size} ${hueClass(username)}`} aria-hidden="true">
      <span class="avatar-letters">{initials(title) || '?'}</span>
      {presence && presence !== 'offline' && <span class={`presence-dot presence-${presence}`} />}
    </span>
  );
}
