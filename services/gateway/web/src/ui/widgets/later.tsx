import { type Signal, signal } from '@preact/signals';
import type { FunctionComponent, JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useWords } from '../words';
import { showToast } from './toasts';

/**
 * A view whose code is fetched when it is first shown, so that the first page of a visit needs less. The service worker
 * has it for visits without a network.
 */
export function later<Props extends object>(
  load: () => Promise<FunctionComponent<Props>>,
): (props: Props) => JSX.Element | null {
  const loaded: Signal<FunctionComponent<Props> | null> = signal(null);
  return props => {
    const { common } = useWords();
    useEffect(() => {
      if (loaded.peek()) return;
      load().then(
        view => {
          loaded.value = view;
        },
        () => showToast(common.wentWrong, { tone: 'bad' }), // shown anew, it is fetched anew
      );
    }, [common]);
    const View = loaded.value;
    return View && <View {...props} />;
  };
}
