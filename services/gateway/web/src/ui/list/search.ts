import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { Person } from '../../protocol';
import { useClient } from '../context';

const PAUSE_MS = 200;
const LEAST_LETTERS = 2;

/** What stands in the search box of the list. */
export const query = signal('');

export interface FoundPeople {
  /** What was searched for; "" where it is too short for people. */
  readonly query: string;
  readonly people: readonly Person[];
  readonly isSearching: boolean;
  readonly hasFailed: boolean;
}

const NOTHING: FoundPeople = { query: '', people: [], isSearching: false, hasFailed: false };

/** The people whose names begin so, a moment after the last key. An answer that came too late is dropped. */
export function usePeople(text: string): FoundPeople {
  const client = useClient();
  const [found, setFound] = useState(NOTHING);
  const wanted = text.trim().replace(/^@/u, '');
  const isLongEnough = wanted.split(/\s+/u).some(word => [...word].length >= LEAST_LETTERS);

  useEffect(() => {
    if (!isLongEnough) {
      setFound(NOTHING);
      return;
    }
    setFound(before => ({ ...before, query: wanted, isSearching: true, hasFailed: false }));
    const controller = new AbortController();
    const { signal: abort } = controller;
    const timer = setTimeout(() => {
      client.searchPeople(wanted, abort).then(
        people => {
          if (!abort.aborted) setFound({ query: wanted, people, isSearching: false, hasFailed: false });
        },
        () => {
          if (!abort.aborted) setFound({ query: wanted, people: [], isSearching: false, hasFailed: true });
        },
      );
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [client, wanted, isLongEnough]);

  return found;
}
