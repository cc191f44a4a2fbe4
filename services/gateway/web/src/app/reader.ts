/** Reads history into the runs: first pages, older, newer, and jumps. */

import { type ReadonlySignal, type Signal, signal } from '@preact/signals';
import * as api from '../api/endpoints';
import { ApiError } from '../api/request';
import type { ConversationId, Message, MessageId, MessageList } from '../protocol';
import type { Conversation } from '../state/model';
import type { Storage } from '../storage/storage';
import type { Loading, Place } from './client';
import type { Store } from './store';

export const PAGE = 50;
const IDLE: Loading = { older: false, newer: false, place: false, problem: null };
/** Quoted messages that are not in a run; the oldest are forgotten. */
const QUOTES = 200;

export class Reader {
  readonly #store: Store;
  readonly #storage: Storage;
  readonly #loading: Signal<ReadonlyMap<ConversationId, Loading>> = signal(new Map());
  readonly #quotes = new Map<MessageId, Signal<Message | null | undefined>>();
  /** Counts reads that replace a run: an answer to an earlier one is not used. */
  readonly #turns = new Map<ConversationId, number>();

  constructor(store: Store, storage: Storage) {
    this.#store = store;
    this.#storage = storage;
  }

  get loading(): ReadonlySignal<ReadonlyMap<ConversationId, Loading>> {
    return this.#loading;
  }

  /** Read the first page: around the first unread message, or the newest. What is kept here is shown meanwhile. */
  async open(id: ConversationId): Promise<void> {
    const conversation = this.#store.conversation(id);
    if (conversation && isUnwritten(conversation)) {
      this.#put(
        id,
        { items: [], members: [], has_more: false, next: null, prev: null, first_unread_seq: null },
        'instead',
      );
      return;
    }
    const unreadSeq = conversation?.unread ? conversation.firstUnreadSeq : null;
    if (!this.#isWhole(id, unreadSeq)) {
      await this.#showKept(id);
      await this.#read(id, unreadSeq === null ? {} : { around_seq: unreadSeq }, 'place');
    }
  }

  /** The server can be reached again: what could not be read may be asked for. True: that is the first page. */
  forgive(id: ConversationId): boolean {
    if (this.#of(id).problem === null) return false;
    this.#set(id, { problem: null });
    return !this.#store.peek().runs.get(id)?.messages.length;
  }

  /** Whether the run from an earlier look goes on to the newest message, and holds the first unread one. */
  #isWhole(id: ConversationId, unreadSeq: number | null): boolean {
    const { runs, behind } = this.#store.peek();
    const run = runs.get(id);
    if (!run?.messages.length || !run.reachesEnd || behind.has(id)) return false;
    return unreadSeq === null || run.messages.some(message => message.seq === unreadSeq);
  }

  async older(id: ConversationId): Promise<void> {
    const run = this.#store.peek().runs.get(id);
    const edge = run?.messages[0];
    if (!run || !edge || run.reachesStart || this.#of(id).older) return;
    await this.#read(id, { before: edge.message_id }, 'older');
  }

  async newer(id: ConversationId): Promise<void> {
    const run = this.#store.peek().runs.get(id);
    const edge = run?.messages.at(-1);
    if (!run || !edge || run.reachesEnd || this.#of(id).newer) return;
    await this.#read(id, { after: edge.message_id }, 'newer');
  }

  async jump(id: ConversationId, place: Place): Promise<MessageId | null> {
    const held = this.#held(id, place);
    if (held) return held;
    switch (place.to) {
      case 'latest':
        await this.#read(id, {}, 'place');
        break;
      case 'unread': {
        const seq = this.#store.conversation(id)?.firstUnreadSeq ?? null;
        if (seq === null) return this.jump(id, { to: 'latest' });
        await this.#read(id, { around_seq: seq }, 'place');
        break;
      }
      case 'message':
        await this.#read(id, { around: place.messageId }, 'place');
        break;
      case 'date':
        return this.#readDate(id, place.date);
    }
    return this.#held(id, place);
  }

  /** A message that another one quotes: undefined until it is known, null where it is gone. */
  quoted(id: ConversationId, messageId: MessageId): ReadonlySignal<Message | null | undefined> {
    const known = this.#quotes.get(messageId);
    if (known) return known;
    const held = this.#store
      .peek()
      .runs.get(id)
      ?.messages.find(message => message.message_id === messageId);
    const quote = signal<Message | null | undefined>(held);
    this.#quotes.set(messageId, quote);
    if (this.#quotes.size > QUOTES) this.#quotes.delete(this.#quotes.keys().next().value ?? '');
    if (!held) void this.#readQuote(messageId, quote);
    return quote;
  }

  async #readQuote(messageId: MessageId, quote: Signal<Message | null | undefined>): Promise<void> {
    try {
      quote.value = await api.message(messageId);
    } catch (error) {
      if (error instanceof ApiError && !error.isRetryable) quote.value = null;
      else this.#quotes.delete(messageId);
    }
  }

  /** The messages of a local day begin at its midnight here. */
  async #readDate(id: ConversationId, date: Date): Promise<MessageId | null> {
    const from = new Date(date.getFullYear(), date.getMonth(), date.getDate());
    try {
      const first = (await api.messages(id, { at: from.toISOString() }, 1)).items[0];
      return await this.jump(id, first ? { to: 'message', messageId: first.message_id } : { to: 'latest' });
    } catch (error) {
      this.#fail(id, error);
      return null;
    }
  }

  /** Where a place is in what is held already. */
  #held(id: ConversationId, place: Place): MessageId | null {
    const run = this.#store.peek().runs.get(id);
    if (!run) return null;
    const { messages } = run;
    switch (place.to) {
      case 'latest':
        return run.reachesEnd ? (messages.at(-1)?.message_id ?? null) : null;
      case 'unread': {
        const seq = this.#store.conversation(id)?.firstUnreadSeq;
        return messages.find(message => message.seq === seq)?.message_id ?? null;
      }
      case 'message':
        return messages.some(message => message.message_id === place.messageId) ? place.messageId : null;
      case 'date':
        return null;
    }
  }

  async #read(id: ConversationId, place: api.PagePlace, way: 'place' | 'older' | 'newer'): Promise<void> {
    const turn = way === 'place' ? this.#nextTurn(id) : this.#turns.get(id);
    this.#set(id, { [way]: true, problem: null });
    try {
      const page = await api.messages(id, place, PAGE);
      if (this.#turns.get(id) !== turn) return;
      if (way === 'place') this.#put(id, page, 'instead', place.around_seq === undefined && place.around === undefined);
      else this.#put(id, page, way);
    } catch (error) {
      this.#fail(id, error);
    } finally {
      if (way !== 'place' || this.#turns.get(id) === turn) this.#set(id, { [way]: false });
    }
  }

  #put(id: ConversationId, page: MessageList, place: 'instead' | 'older' | 'newer', isLatest = false): void {
    const isNewer = place === 'newer';
    this.#store.dispatch({
      kind: 'page',
      conversationId: id,
      messages: page.items,
      members: page.members,
      place,
      reachesStart: isNewer ? false : page.next === null,
      reachesEnd: isNewer ? page.next === null : isLatest || page.prev === null,
    });
  }

  async #showKept(id: ConversationId): Promise<void> {
    const messages = await this.#storage.tail(id, PAGE);
    if (messages.length === 0 || this.#store.peek().runs.has(id)) return;
    const reachesStart = messages[0]?.seq === 1;
    this.#store.dispatch({
      kind: 'page',
      conversationId: id,
      messages,
      members: [],
      place: 'instead',
      reachesStart,
      reachesEnd: true,
    });
  }

  #nextTurn(id: ConversationId): number {
    const turn = (this.#turns.get(id) ?? 0) + 1;
    this.#turns.set(id, turn);
    return turn;
  }

  #fail(id: ConversationId, error: unknown): void {
    if (!(error instanceof ApiError)) throw error;
    this.#set(id, { problem: error.detail });
  }

  #of(id: ConversationId): Loading {
    return this.#loading.peek().get(id) ?? IDLE;
  }

  #set(id: ConversationId, change: Partial<Loading>): void {
    this.#loading.value = new Map(this.#loading.peek()).set(id, { ...this.#of(id), ...change });
  }
}

/** A direct conversation begins with its first stored message. */
function isUnwritten(conversation: Conversation): boolean {
  return conversation.lastSeq === 0 && !conversation.isStale;
}
