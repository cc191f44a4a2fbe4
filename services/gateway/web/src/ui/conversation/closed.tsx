import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Conversation } from '../../state/model';
import { useClient } from '../context';
import { Button } from '../widgets/button';
import { showToast } from '../widgets/toasts';
import { useWords } from '../words';

/** What stands where the composer would: why nothing can be sent, and what to do about it. */
export function Closed({ conversation }: { conversation: Conversation }): JSX.Element {
  const client = useClient();
  const words = useWords();
  const [isPending, setPending] = useState(false);
  const { blocked, peer, title } = conversation;
  const unblock = async (username: string): Promise<void> => {
    setPending(true);
    try {
      await client.block(username, false);
    } catch {
      showToast(words.common.wentWrong, { tone: 'bad' });
      setPending(false);
    }
  };
  return (
    <div class="composer-closed">
      <p dir="auto">{blocked ? words.conversation.youBlocked(title) : words.conversation.cannotWrite(title)}</p>
      {blocked && peer !== null && (
        <Button kind="quiet" isPending={isPending} onClick={() => void unblock(peer)}>
          {words.conversation.unblockShort}
        </Button>
      )}
    </div>
  );
}
