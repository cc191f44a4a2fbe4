import { type Signal, signal } from '@preact/signals';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Keeper } from '../src/app/keeper';
import type { ConversationId, Message } from '../src/protocol';
import type { State } from '../src/state/model';
import type { Snapshot, Storage } from '../src/storage/storage';
import { memoryStorage } from '../src/storage/memory';
import { ANN, conversation, message, state, WITH_BEN } from './support/samples';
import { endFakeTimers } from './support/timers';

const snapshots: Snapshot[] = [];
const tails: [ConversationId, number[]][] = [];
const storage: Storage = {
  ...memoryStorage(),
  saveSnapshot: async snapshot => void snapshots.push(snapshot),
  saveTail: async (id, messages) => void tails.push([id, messages.map(({ seq }) => seq)]),
};
let known: Signal<State>;
let keeper: Keeper;

function come(...seqs: number[]): void {
  const messages: Message[] = seqs.map(seq => message(seq));
  known.value = state([conversation('ben', { lastSeq: Math.max(...seqs) })]);
  keeper.note(messages);
}

beforeEach(() => {
  vi.useFakeTimers();
  snapshots.length = tails.length = 0;
  known = signal(state());
  keeper = new Keeper(known, signal(ANN), storage);
  keeper.start();
  keeper.flush();
});

afterEach(async () => {
  keeper.stop();
  vi.unstubAllGlobals();
  await endFakeTimers();
});

it('keeps messages of conversations that nobody looks at, once', async () => {
  come(1, 2);
  come(3);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(tails).toEqual([[WITH_BEN, [1, 2, 3]]]);
  come(4);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(tails.at(-1)).toEqual([WITH_BEN, [4]]);
});

it('keeps at most the newest hundred of what came at once', async () => {
  come(...Array.from({ length: 250 }, (_, index) => index + 1));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(tails[0]?.[1]).toHaveLength(100);
  expect(tails[0]?.[1].at(-1)).toBe(250);
});

it('keeps all at once when the page is hidden: it may not come back', async () => {
  come(1);
  const saved = snapshots.length;
  Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
  Reflect.deleteProperty(document, 'visibilityState');
  await vi.advanceTimersByTimeAsync(0);
  expect(snapshots).toHaveLength(saved + 1);
  expect(tails).toEqual([[WITH_BEN, [1]]]);
});
