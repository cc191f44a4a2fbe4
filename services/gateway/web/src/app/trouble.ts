/** Whether people are told that the connection is bad: only when it lasts. */

import { effect, type ReadonlySignal, signal } from '@preact/signals';
import type { Connection } from '../link/transport';

const LASTS_MS = 2_000;

/** A signal that is true from 2 s of trouble on until all is well again, and what ends it. */
export function lastingTrouble(connection: ReadonlySignal<Connection>): {
  readonly isTroubled: ReadonlySignal<boolean>;
  readonly end: () => void;
} {
  const isTroubled = signal(false);
  const isWell = (): boolean => connection.value.state === 'online';
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stopWatching = effect(() => {
    if (isWell()) {
      clearTimeout(timer);
      timer = undefined;
      isTroubled.value = false;
    } else {
      timer ??= setTimeout(() => {
        isTroubled.value = true;
      }, LASTS_MS);
    }
  });
  return {
    isTroubled,
    end: () => {
      stopWatching();
      clearTimeout(timer);
    },
  };
}
