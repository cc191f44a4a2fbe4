import { useComputed } from '@preact/signals';
import type { State } from '../../state/model';
import { useClient } from '../context';

/** A part of what the client knows; whoever asks is rendered anew when that part becomes another one, and only then. */
export function useKnown<T>(pick: (state: State) => T): T {
  const client = useClient();
  return useComputed(() => pick(client.state.value)).value;
}
