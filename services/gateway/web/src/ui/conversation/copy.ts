import type { Catalogue } from '../../i18n/en';
import { showToast } from '../widgets/toasts';

/** Copy a text, and say so. Over plain http to another machine browsers have no clipboard: that is said, too. */
export async function copyText(text: string, words: Catalogue['conversation']): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    showToast(words.copied);
  } catch {
    showToast(words.notCopied, { tone: 'bad' });
  }
}
