import type { ComponentChildren, JSX } from 'preact';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { Button } from '../widgets/button';
import { useWords } from '../words';

export type Loaded<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'failed' }
  | { readonly kind: 'there'; readonly value: T };

/** Something read from the server when a page opens; `reload` reads it again and keeps what is shown until then. */
export function useLoaded<T>(load: () => Promise<T>): readonly [state: Loaded<T>, reload: () => void] {
  const [state, setState] = useState<Loaded<T>>({ kind: 'loading' });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isWanted = true;
    load().then(
      value => {
        if (isWanted) setState({ kind: 'there', value });
      },
      () => {
        if (isWanted) setState({ kind: 'failed' });
      },
    );
    return () => {
      isWanted = false;
    };
  }, [load, turn]);
  const reload = useCallback(() => setTurn(before => before + 1), []);
  return [state, reload];
}

interface LoadedViewProps<T> {
  state: Loaded<T>;
  onRetry(): void;
  children(value: T): ComponentChildren;
}

/** Shows what was loaded; before, that it loads; else that it could not be, and offers another try. */
export function LoadedView<T>({ state, onRetry, children }: LoadedViewProps<T>): JSX.Element {
  const words = useWords().common;
  if (state.kind === 'loading') return <p role="status">{words.loading}</p>;
  if (state.kind === 'there') return <>{children(state.value)}</>;
  return (
    <div class="settings-problem" role="alert">
      <p>{words.notLoaded}</p>
      <Button icon="retry" onClick={onRetry}>
        {words.tryAgain}
      </Button>
    </div>
  );
}
