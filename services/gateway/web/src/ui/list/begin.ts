import { useState } from 'preact/hooks';
import type { Username } from '../../protocol';
import { useClient } from '../context';
import { problemText } from '../problems';
import { navigate } from '../router';
import { showToast } from '../widgets/toasts';
import { useLocale, useWords } from '../words';

/** Opens the conversation with somebody, and says with whom that is under way. */
export function useBegin(): { readonly pending: Username | null; begin(username: Username): Promise<void> } {
  const client = useClient();
  const words = useWords();
  const locale = useLocale();
  const [pending, setPending] = useState<Username | null>(null);
  const begin = async (username: Username): Promise<void> => {
    if (pending !== null) return;
    setPending(username);
    try {
      navigate({ page: 'conversation', id: await client.begin(username) });
    } catch (error) {
      showToast(problemText(error, words, locale), { tone: 'bad' });
    } finally {
      setPending(null);
    }
  };
  return { pending, begin };
}
