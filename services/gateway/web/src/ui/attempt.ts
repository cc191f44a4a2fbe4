import { problemText } from './problems';
import { showToast } from './widgets/toasts';
import { useLocale, useWords } from './words';

/** Waits for something that may be refused. Whether it was is said, `done` where it was not; false where it was. */
export type Attempt = (work: Promise<unknown>, done?: string) => Promise<boolean>;

/** What a view tries, and where it fails people are told. */
export function useAttempt(): Attempt {
  const words = useWords();
  const locale = useLocale();
  return async (work, done) => {
    try {
      await work;
    } catch (error) {
      showToast(problemText(error, words, locale), { tone: 'bad' });
      return false;
    }
    if (done) showToast(done);
    return true;
  };
}
