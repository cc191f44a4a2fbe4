/** A signed-in user's client in one tab: puts the parts together. */

import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals';
import * as api from '../api/endpoints';
import { ApiError } from '../api/request';
import type { Connection } from '../link/transport';
import type {
  BlockedPerson,
  ChosenPresence,
  ConversationId,
  Message,
  MessageId,
  Person,
  Profile,
  Session,
  Settings,
  Timeline,
  Username,
} from '../protocol';
import type { Event, OutboxEntry, State } from '../state/model';
import { messageOf } from '../state/messages';
import { initial } from '../state/reduce';
import type { Storage } from '../storage/storage';
import type { Client, Loading, Place } from './client';
import { ConversationList } from './conversation-list';
import { Drafts } from './drafts';
import { Exchange } from './exchange';
import { Keeper } from './keeper';
import type { TabMessage } from './messages';
import { Reader } from './reader';
import { Store } from './store';
import { lastingTrouble } from './trouble';
import { Typist } from './typist';

const TICK_MS = 1_000;
/** So long a session that ends counts as one that somebody signs out of. */
const LEAVING_MS = 20_000;

/** What a client is told by its maker, and tells it. */
export interface Surroundings {
  readonly storage: Storage;
  readonly update: ReadonlySignal<(() => void) | null>;
  onEnd(reason: 'none' | 'ended'): void;
  /** The session in this browser is another user's. */
  onOther(): void;
}

export class BrowserClient implements Client {
  readonly state: ReadonlySignal<State>;
  readonly profile: Signal<Profile>;
  readonly connection: ReadonlySignal<Connection>;
  readonly isTroubled: ReadonlySignal<boolean>;
  readonly isDurable: boolean;
  readonly outbox: ReadonlySignal<readonly OutboxEntry[]>;
  readonly list: Client['list'];
  readonly loading: ReadonlySignal<ReadonlyMap<ConversationId, Loading>>;
  readonly openId: Signal<ConversationId | null>;
  readonly dividerSeq = signal<number | null>(null);
  readonly chosenPresence = signal<ChosenPresence>('online');
  readonly contentLimit = signal(8_000);
  readonly announcement = signal<{ sender: string; content: string; n: number } | null>(null);
  readonly update: ReadonlySignal<(() => void) | null>;

  readonly #store: Store;
  readonly #around: Surroundings;
  readonly #exchange: Exchange;
  readonly #reader: Reader;
  readonly #list: ConversationList;
  readonly #typist: Typist;
  readonly #drafts: Drafts;
  readonly #keeper: Keeper;
  readonly #endTrouble: () => void;
  #leavingUntilMs = 0;
  #ending: ReturnType<typeof setTimeout> | undefined;
  #ticking: ReturnType<typeof setInterval> | undefined;
  #endReading: (() => void) | null = null;
  #endNetwork: (() => void) | null = null;

  /** Make the client of a user: what this browser keeps of them is there at once. */
  static async open(profile: Profile, around: Surroundings): Promise<BrowserClient> {
    const store = new Store(initial(profile));
    const kept = await around.storage.snapshot().catch(() => null);
    if (kept) {
      const conversations = new Map(kept.conversations.map(conversation => [conversation.id, conversation]));
      store.restore({ ...store.peek(), epoch: kept.epoch, cursors: kept.cursors, conversations });
    }
    const openId = signal<ConversationId | null>(null);
    const exchange = await Exchange.open(profile.id, store, around.storage, openId);
    return new BrowserClient(profile, store, around, exchange, openId, kept !== null);
  }

  private constructor(
    profile: Profile,
    store: Store,
    around: Surroundings,
    exchange: Exchange,
    openId: Signal<ConversationId | null>,
    isKept: boolean,
  ) {
    const trouble = lastingTrouble(exchange.connection);
    this.#store = store;
    this.#around = around;
    this.#exchange = exchange;
    this.#reader = new Reader(store, around.storage);
    this.#list = new ConversationList(
      store,
      views => views.forEach(({ conversation_id: id }) => exchange.deliver(id)),
      isKept,
    );
    this.#typist = new Typist(frame => exchange.send(frame));
    this.#drafts = new Drafts(store, event => exchange.tell(event));
    this.#endTrouble = trouble.end;
    this.state = store.state;
    this.profile = signal(profile);
    this.connection = exchange.connection;
    this.isTroubled = trouble.isTroubled;
    this.isDurable = around.storage.isDurable;
    this.outbox = exchange.outbox.entries;
    this.list = this.#list.progress;
    this.loading = this.#reader.loading;
    this.openId = openId;
    this.update = around.update;
    this.#keeper = new Keeper(store.state, this.profile, around.storage);
  }

  // ---- Life ----------------------------------------------------------------------------------------

  /** Begin to work; the state from the last visit is there already. */
  start(): void {
    this.#ticking = setInterval(() => {
      if (this.#store.peek().typing.size > 0) this.#store.dispatch({ kind: 'tick', nowMs: Date.now() });
    }, TICK_MS);
    this.#keeper.start();
    this.#exchange.start({
      after: event => this.#after(event),
      onTab: message => this.#onTab(message),
      onJoined: () => this.#onJoined(),
      onMissed: () => void this.#list.read(),
      onOtherEpoch: () => this.#onOtherEpoch(),
      onEnd: reason => this.end(reason),
      onOther: () => this.#around.onOther(),
    });
    this.#followNetwork();
    this.#endReading = this.#readUnwritten();
    void this.#list.read();
    void this.#readProfile();
  }

  /** End everything that this tab does for the user. */
  async stop({ keepsCache }: { keepsCache: boolean }): Promise<void> {
    clearInterval(this.#ticking);
    clearTimeout(this.#ending);
    this.#endNetwork?.();
    this.#endReading?.();
    this.#list.stop();
    this.#keeper.stop();
    this.#endTrouble();
    this.#exchange.stop();
    if (!keepsCache) await this.#around.storage.dropCache().catch(() => undefined);
    this.#around.storage.close();
  }

  /** The session is over. While somebody signs out the server may say so before it is done: that is no surprise. */
  end(reason: 'none' | 'ended'): void {
    clearTimeout(this.#ending);
    const waitMs = reason === 'ended' ? this.#leavingUntilMs - Date.now() : 0;
    if (waitMs > 0) this.#ending = setTimeout(() => this.#around.onEnd(reason), waitMs);
    else this.#around.onEnd(reason);
  }

  async #readProfile(): Promise<void> {
    try {
      this.profile.value = (await api.me()).user;
      this.chosenPresence.value = (await api.chosenPresence()).status;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  /** Notice when the server can be reached again: a short break may leave the connection as it was. */
  #followNetwork(): void {
    const onReached = (): void => this.#onReached();
    let wasUp = false;
    const stopFollowing = this.connection.subscribe(({ state }) => {
      const isUp = state === 'online' || state === 'polling';
      if (isUp && !wasUp) onReached();
      wasUp = isUp;
    });
    window.addEventListener('online', onReached);
    this.#endNetwork = () => {
      stopFollowing();
      window.removeEventListener('online', onReached);
    };
  }

  /** Do what could not be done without the server. */
  #onReached(): void {
    this.#drafts.bringAll();
    const id = this.openId.peek();
    if (id !== null && this.#reader.forgive(id)) void this.#readFirst(id);
  }

  #after(event: Event): void {
    if (event.kind === 'stored') this.#keeper.note([event.message]);
    else if (event.kind === 'synced') {
      this.#keeper.note(event.messages);
      const newest = event.messages.at(-1);
      if (newest) this.#arrived(newest);
    } else if (event.kind === 'frame') {
      const { frame, isLive } = event;
      if (frame.type === 'message') {
        this.#keeper.note([messageOf(frame)]);
        if (isLive) this.#arrived(frame);
      }
      if (frame.type === 'welcome') {
        this.contentLimit.value = frame.limits['content_chars'] ?? this.contentLimit.peek();
      }
    }
  }

  /** A message of somebody else came into the conversation that is looked at. */
  #arrived(message: Message): void {
    const conversation = this.#store.conversation(message.conversation_id);
    if (message.conversation_id !== this.openId.peek() || message.sender === this.#store.peek().me.username) return;
    const sender = conversation?.members.get(message.sender)?.displayName ?? message.sender;
    this.announcement.value = { sender, content: message.content, n: (this.announcement.peek()?.n ?? 0) + 1 };
    const isSeen = document.visibilityState === 'visible' && document.hasFocus();
    if (!isSeen && conversation?.firstUnreadSeq === message.seq) this.dividerSeq.value = message.seq;
  }

  #onTab(message: TabMessage): void {
    if (message.kind === 'profile') this.profile.value = message.profile;
    if (message.kind === 'leaving') this.#leavingUntilMs = Date.now() + LEAVING_MS;
    if (message.kind === 'chosen') this.chosenPresence.value = message.presence;
  }

  #onJoined(): void {
    this.#exchange.post({ kind: 'chosen', presence: this.chosenPresence.peek() });
  }

  #onOtherEpoch(): void {
    const openId = this.openId.peek();
    void this.#around.storage.dropCache().catch(() => undefined);
    void this.#list.read().then(() => (openId === null ? undefined : this.#reader.open(openId)));
  }

  // ---- The list and people ---------------------------------------------------------------------------

  loadMoreConversations(): Promise<void> {
    return this.#list.more();
  }
  loadArchived(): Promise<void> {
    return this.#list.archived();
  }

  async searchPeople(query: string, aborted: AbortSignal): Promise<Person[]> {
    return (await api.people(query, aborted)).items;
  }

  async begin(username: Username): Promise<ConversationId> {
    const known = this.#with(username);
    if (known) return known;
    const [person, page] = await Promise.all([api.person(username), api.history(username, 1)]);
    const { conversation_id: conversationId } = page;
    const peer = { username: person.username, displayName: person.display_name };
    if (page.messages.length > 0) await this.#readConversation(conversationId);
    else this.#exchange.tell({ kind: 'begun', conversationId, peer });
    return conversationId;
  }

  async block(username: Username, isBlocked: boolean): Promise<void> {
    await api.block(username, isBlocked);
    const conversationId = this.#with(username);
    if (conversationId) this.#exchange.tell({ kind: 'kept', conversationId, blocked: isBlocked });
  }

  async blocked(): Promise<BlockedPerson[]> {
    return (await api.blocked()).items;
  }

  #with(username: Username): ConversationId | null {
    for (const { id, peer } of this.#store.peek().conversations.values()) if (peer === username) return id;
    return null;
  }

  // ---- A conversation ------------------------------------------------------------------------------

  async open(id: ConversationId): Promise<void> {
    if (this.openId.peek() === id) return;
    this.close();
    this.openId.value = id;
    await this.#readFirst(id);
  }

  /** What seemed to be unwritten may have messages, as the list or another tab tells later: read them. */
  #readUnwritten(): () => void {
    const unread = computed(() => {
      const id = this.openId.value;
      const { runs, conversations } = this.state.value;
      const isMissing = id !== null && runs.get(id)?.messages.length === 0 && conversations.get(id)?.lastSeq;
      return isMissing ? id : null;
    });
    return unread.subscribe(id => {
      if (id !== null) void this.#reader.open(id);
    });
  }

  async #readFirst(id: ConversationId): Promise<void> {
    if (!this.#store.conversation(id)) await this.#readConversation(id);
    if (this.openId.peek() !== id) return;
    const conversation = this.#store.conversation(id);
    this.dividerSeq.value = conversation?.unread ? conversation.firstUnreadSeq : null;
    await this.#reader.open(id);
  }

  close(): void {
    const id = this.openId.peek();
    if (id === null) return;
    this.openId.value = null;
    this.dividerSeq.value = null;
    this.#typist.type(id, false);
    this.#store.dispatch({ kind: 'closed', conversationId: id });
  }

  async #readConversation(id: ConversationId): Promise<void> {
    try {
      this.#store.dispatch({ kind: 'conversation', view: await api.conversation(id) });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  loadOlder(id: ConversationId): Promise<void> {
    return this.#reader.older(id);
  }
  loadNewer(id: ConversationId): Promise<void> {
    return this.#reader.newer(id);
  }
  jump(id: ConversationId, place: Place): Promise<MessageId | null> {
    return this.#reader.jump(id, place);
  }
  quoted(id: ConversationId, messageId: MessageId): ReadonlySignal<Message | null | undefined> {
    return this.#reader.quoted(id, messageId);
  }

  shown(id: ConversationId, seq: number): void {
    const own = this.#store.conversation(id)?.members.get(this.#store.peek().me.username);
    if ((own?.readSeq ?? 0) < seq) this.#exchange.read(id, seq);
  }

  async markRead(id: ConversationId): Promise<void> {
    const conversation = this.#store.conversation(id);
    if (conversation) this.shown(id, conversation.lastSeq);
  }

  async keep(id: ConversationId, change: { muted?: boolean; pinned?: boolean; archived?: boolean }): Promise<void> {
    const { muted, pinned, archived } = await api.keep(id, change);
    this.#exchange.tell({ kind: 'kept', conversationId: id, muted, pinned, archived });
  }

  // ---- Writing -------------------------------------------------------------------------------------

  async send(id: ConversationId, content: string, replyTo?: MessageId): Promise<void> {
    const conversation = this.#store.conversation(id);
    const own = conversation?.members.get(this.#store.peek().me.username);
    await this.#exchange.outbox.add({
      conversationId: id,
      to: conversation?.peer ?? null,
      content,
      replyTo: replyTo ?? null,
      seenSeq: own?.readSeq || null,
    });
    this.dividerSeq.value = null;
    this.#typist.type(id, false);
  }

  retry(id: string): Promise<void> {
    return this.#exchange.outbox.retry(id);
  }
  retryAll(): Promise<void> {
    return this.#exchange.outbox.retryAll();
  }
  discard(id: string): Promise<void> {
    return this.#exchange.outbox.discard(id);
  }
  async redrive(messageId: MessageId): Promise<void> {
    await api.redrive(messageId);
  }
  timeline(messageId: MessageId): Promise<Timeline> {
    return api.timeline(messageId);
  }

  typing(id: ConversationId, isTyping: boolean): void {
    if (this.#store.conversation(id)?.lastSeq) this.#typist.type(id, isTyping);
  }

  saveDraft(id: ConversationId, draft: string): void {
    this.#drafts.save(id, draft);
    if (document.visibilityState === 'hidden') this.#keeper.flush();
  }

  // ---- The account -----------------------------------------------------------------------------------

  choosePresence(presence: ChosenPresence): void {
    this.chosenPresence.value = presence;
    this.#exchange.post({ kind: 'chosen', presence });
    this.#exchange.send({ type: 'user_status', status: presence });
  }

  async changeProfile(change: { display_name?: string; settings?: Partial<Settings> }): Promise<void> {
    const profile = (await api.changeMe(change)).user;
    this.profile.value = profile;
    this.#exchange.post({ kind: 'profile', profile });
  }

  changePassword(old: string, fresh: string): Promise<void> {
    return api.changePassword(old, fresh);
  }
  async sessions(): Promise<Session[]> {
    return (await api.sessions()).items;
  }
  endSession(id: string): Promise<void> {
    return api.endSession(id);
  }

  async signOut(): Promise<void> {
    this.#leavingUntilMs = Date.now() + LEAVING_MS;
    this.#exchange.post({ kind: 'leaving' });
    await api.logout();
    this.#exchange.post({ kind: 'signed-out' });
    this.end('none');
  }

  reconnect(): void {
    this.#exchange.reconnect();
  }
}
