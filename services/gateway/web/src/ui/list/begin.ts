import { useState } from 'preact/hooks';
import type { Username } from '../../protocol';
import { useAttempt } from '../attempt';
import { useClient } from '../context';
import { navigate } from '../router';

/** Opens the conversation with somebody, and says with whom that is under way. */
export function useBegin(): { readonly pending: Username | null; begin(username: Username): Promise<void> } {
  const client = useClient();
  const attempt = useAttempt();
  const [pending, setPending] = useState<Username | null>(null);
  const begin = async (username: Username): Promise<void> => {
    if (pending !== null) return;
    setPending(username);
    await attempt(client.begin(username).then(id => navigate({ page: 'conversation', id })));
    setPending(null);
  };
  return { pending, begin };
}
