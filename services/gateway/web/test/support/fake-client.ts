/** A client without a server: tests set its signals, and look at what the views asked of it. */

import { signal } from '@preact/signals';
import { vi } from 'vitest';
import type { Client, Loading } from '../../src/app/client';
import type { Connection } from '../../src/link/transport';
import type { ChosenPresence, ConversationId, Message, MessageId, Profile } from '../../src/protocol';
import type { Conversation, OutboxEntry, Run, State } from '../../src/state/model';
import { ANN, conversation, state, timeline } from './samples';

export const NOT_LOADING: Loading = { older: false, newer: false, place: false, problem: null };

/** Ann's client. Every action is a mock that does nothing and succeeds; a test may have it answer otherwise. */
export class FakeClient implements Client {
  readonly state;
  readonly profile = signal<Profile>(ANN);
  isDurable = true;
  readonly connection = signal<Connection>({ state: 'online' });
  readonly isTroubled = signal(false);
  readonly outbox = signal<readonly OutboxEntry[]>([]);
  readonly list = signal({ isReady: true, hasMore: false, isLoading: false });
  readonly loading = signal<ReadonlyMap<ConversationId, Loading>>(new Map());
  readonly chosenPresence = signal<ChosenPresence>('online');
  readonly contentLimit = signal(8_000);
  readonly update = signal<(() => void) | null>(null);
  readonly announcement = signal<{ sender: string; content: string; n: number } | null>(null);
  readonly openId = signal<ConversationId | null>(null);
  readonly dividerSeq = signal<number | null>(null);

  readonly open = vi.fn<Client['open']>(async id => {
    this.openId.value = id;
  });
  readonly close = vi.fn<Client['close']>(() => {
    this.openId.value = null;
  });
  readonly begin = vi.fn<Client['begin']>(async username => `dk-${username}`);
  readonly loadMoreConversations = vi.fn<Client['loadMoreConversations']>(async () => {});
  readonly loadArchived = vi.fn<Client['loadArchived']>(async () => {});
  readonly loadOlder = vi.fn<Client['loadOlder']>(async () => {});
  readonly loadNewer = vi.fn<Client['loadNewer']>(async () => {});
  readonly jump = vi.fn<Client['jump']>(async () => null);
  readonly quoted = vi.fn<Client['quoted']>((id, messageId) => signal(this.held(id, messageId)));
  readonly send = vi.fn<Client['send']>(async () => {});
  readonly retry = vi.fn<Client['retry']>(async () => {});
  readonly retryAll = vi.fn<Client['retryAll']>(async () => {});
  readonly discard = vi.fn<Client['discard']>(async () => {});
  readonly redrive = vi.fn<Client['redrive']>(async () => {});
  readonly timeline = vi.fn<Client['timeline']>(async () => timeline());
  readonly shown = vi.fn<Client['shown']>(() => {});
  readonly typing = vi.fn<Client['typing']>(() => {});
  readonly saveDraft = vi.fn<Client['saveDraft']>(() => {});
  readonly searchPeople = vi.fn<Client['searchPeople']>(async () => []);
  readonly keep = vi.fn<Client['keep']>(async () => {});
  readonly markRead = vi.fn<Client['markRead']>(async () => {});
  readonly block = vi.fn<Client['block']>(async () => {});
  readonly blocked = vi.fn<Client['blocked']>(async () => []);
  readonly choosePresence = vi.fn<Client['choosePresence']>(status => {
    this.chosenPresence.value = status;
  });
  readonly changeProfile = vi.fn<Client['changeProfile']>(async () => {});
  readonly changePassword = vi.fn<Client['changePassword']>(async () => {});
  readonly sessions = vi.fn<Client['sessions']>(async () => []);
  readonly endSession = vi.fn<Client['endSession']>(async () => {});
  readonly signOut = vi.fn<Client['signOut']>(async () => {});
  readonly reconnect = vi.fn<Client['reconnect']>(() => {});

  constructor(conversations: readonly Conversation[] = [conversation('ben')]) {
    this.state = signal<State>(state(conversations));
  }

  /** Know something else from now on. */
  set(change: Partial<State>): void {
    this.state.value = { ...this.state.value, ...change };
  }

  /** Know a conversation, new or changed. */
  put(one: Conversation): void {
    this.set({ conversations: new Map(this.state.value.conversations).set(one.id, one) });
  }

  /** Have the run of a conversation on the screen. */
  show(id: ConversationId, one: Run): void {
    this.set({ runs: new Map(this.state.value.runs).set(id, one) });
  }

  setLoading(id: ConversationId, change: Partial<Loading>): void {
    const before = this.loading.value.get(id) ?? NOT_LOADING;
    this.loading.value = new Map(this.loading.value).set(id, { ...before, ...change });
  }

  private held(id: ConversationId, messageId: MessageId): Message | null {
    return this.state.value.runs.get(id)?.messages.find(one => one.message_id === messageId) ?? null;
  }
}
