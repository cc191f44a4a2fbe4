import type { Username } from '../../protocol';
import type { Conversation, OutboxEntry } from '../../state/model';
import { messageState } from '../../state/select';
import type { TickState } from '../widgets/tick';

/** What a row says under the title. */
export type Preview =
  | { readonly kind: 'none' }
  | { readonly kind: 'draft'; readonly text: string }
  | { readonly kind: 'message'; readonly text: string; readonly isOwn: boolean; readonly tick: TickState | null };

/** The draft of a conversation that is not open, else its last message, those that wait here included. */
export function previewOf(
  conversation: Conversation,
  waiting: OutboxEntry | undefined,
  me: Username,
  isOpen: boolean,
): Preview {
  if (conversation.draft.trim() !== '' && !isOpen) return { kind: 'draft', text: conversation.draft };
  const last = conversation.lastMessage;
  if (waiting && (!last || waiting.createdAt >= last.sent_at)) {
    const tick = waiting.state === 'failed' ? 'failed' : 'queued';
    return { kind: 'message', text: waiting.content, isOwn: true, tick };
  }
  if (!last) return { kind: 'none' };
  const isOwn = last.sender === me;
  return { kind: 'message', text: last.content, isOwn, tick: isOwn ? messageState(conversation, last, me) : null };
}
