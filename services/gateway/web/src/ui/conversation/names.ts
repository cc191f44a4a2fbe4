import type { Username } from '../../protocol';
import type { Conversation } from '../../state/model';

/** What a member is called. */
export function nameOf(conversation: Conversation | undefined, username: Username): string {
  return conversation?.members.get(username)?.displayName || username;
}
