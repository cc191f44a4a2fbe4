import type { JSX } from 'preact';
import { useWords } from '../words';

interface EdgeProps {
  isLoading: boolean;
  /** The last read failed, and nothing is read at this end before somebody asks. */
  isBroken: boolean;
  onRetry(): void;
}

/** Where the list goes on with what is not loaded. It is always as high, so that loading moves nothing. */
export function Edge({ isLoading, isBroken, onRetry }: EdgeProps): JSX.Element {
  const words = useWords();
  return (
    <div class="edge">
      {isLoading && <span class="spinner" aria-hidden="true" />}
      {isBroken && !isLoading && (
        <div class="edge-problem">
          <span>{words.conversation.notLoaded}</span>
          <button type="button" class="text-button" onClick={onRetry}>
            {words.common.tryAgain}
          </button>
        </div>
      )}
    </div>
  );
}
