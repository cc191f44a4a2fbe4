/** What waits in this browser to be sent: nothing is lost, nothing is doubled, all in order. */

import { batch, type ReadonlySignal } from '@preact/signals';
import type {
  AckFrame,
  ClientId,
  ConversationId,
  ErrorFrame,
  Message,
  MessageId,
  MessageStatusFrame,
  SendFrame,
  ServerFrame,
  User,
  Username,
} from '../protocol';
import type { OutboxEntry } from '../state/model';
import { type Storage, StorageError } from '../storage/storage';
import { newId } from './ids';
import type { OutboxChange } from './messages';
import { Entries, frameOf, messageOf } from './outbox-entries';
import { checkRoom } from './outbox-limits';
import { RETRYABLE, Sender } from './outbox-sender';

/** A tab may be closed after it stored something, and before it could tell the others. */
const LOOK_MS = 10_000;

export interface OutboxHost {
  readonly me: () => User;
  /** Send a frame now; false: not connected. */
  send(frame: SendFrame): boolean;
  /** An own message was acknowledged: what it became. (One that comes as a `message` frame is not told here.) */
  onStored(message: Message, isLive: boolean): void;
  /** Tell the other tabs. */
  tell(change: OutboxChange): void;
}

export interface Draft {
  readonly conversationId: ConversationId;
  readonly to: Username | null;
  readonly content: string;
  readonly replyTo: MessageId | null;
  readonly seenSeq: number | null;
}

export class Outbox {
  readonly #storage: Storage;
  readonly #host: OutboxHost;
  readonly #all = new Entries();
  readonly #sender: Sender;
  /** By the server's id, which it uses alone when it says what became of a message in its log. */
  readonly #accepted = new Map<MessageId, ClientId>();
  #adding: Promise<unknown> = Promise.resolve();
  #refreshing: Promise<void> = Promise.resolve();
  #looking: ReturnType<typeof setTimeout> | undefined;
  #isAppointed = false;
  /** Appointed, and knows what the tab before it left behind. */
  #isLeading = false;
  #isConnected = false;
  #isClosed = false;

  /** Read what waits. It is sent once this tab leads and is connected; nothing of `host` is called before. */
  static async open(storage: Storage, host: OutboxHost, random: () => number = Math.random): Promise<Outbox> {
    const outbox = new Outbox(storage, host, random);
    await outbox.#look();
    return outbox;
  }

  private constructor(storage: Storage, host: OutboxHost, random: () => number) {
    this.#storage = storage;
    this.#host = host;
    const send = (entry: OutboxEntry): boolean => host.send(frameOf(entry));
    this.#sender = new Sender(() => this.#all.all.peek(), send, random);
  }

  /** All that waits, in order. */
  get entries(): ReadonlySignal<readonly OutboxEntry[]> {
    return this.#all.all;
  }

  /**
   * Store a message, then show it, then send it.
   *
   * @throws StorageError The browser does not store it.
   * @throws OutboxError Too many wait, or it is larger than any server takes.
   */
  add(draft: Draft): Promise<OutboxEntry> {
    const adding = this.#adding.then(() => this.#add(draft));
    this.#adding = adding.catch(() => undefined);
    return adding;
  }

  async #add(draft: Draft): Promise<OutboxEntry> {
    if (this.#isClosed) throw new StorageError('This tab is not signed in any more.');
    checkRoom(draft.content, this.entries.peek().length);
    const made = { id: newId(), order: this.#all.nextOrder(), createdAt: new Date().toISOString() };
    const entry: OutboxEntry = { ...draft, ...made, state: 'queued', problem: null };
    await this.#storage.putEntry(entry);
    this.#put(entry);
    return entry;
  }

  /**
   * Try a failed entry again, at its old place. It keeps its id, so that it can't be stored twice whatever came of the
   * tries before, unless the id itself was refused.
   */
  async retry(id: ClientId): Promise<void> {
    const entry = this.#all.find(id);
    if (entry?.state !== 'failed') return;
    const isRefusedId = entry.problem?.code === 'id_conflict';
    const again: OutboxEntry = { ...entry, id: isRefusedId ? newId() : id, state: 'queued', problem: null };
    const isThere = await this.#storage.putEntry(again, id);
    if (isRefusedId || !isThere) this.#remove(id);
    if (isThere) this.#put(again);
  }

  /** Try all failed entries again, in order. */
  async retryAll(): Promise<void> {
    for (const { id } of this.entries.peek()) await this.retry(id);
  }

  /** Give an entry up. One that is on its way may still arrive. */
  async discard(id: ClientId): Promise<void> {
    if (!this.#all.find(id)) return;
    await this.#storage.removeEntry(id);
    this.#remove(id);
  }

  async #look(): Promise<void> {
    await this.refresh();
    if (!this.#isClosed) this.#looking = setTimeout(() => void this.#look(), LOOK_MS);
  }

  /** Read again what is stored: what other tabs did while this one could not hear them. */
  refresh(): Promise<void> {
    this.#refreshing = this.#refreshing.then(() => this.#read());
    return this.#refreshing;
  }

  async #read(): Promise<void> {
    if (!this.#storage.isDurable) return; // this tab's store knows no more than the tab
    try {
      const left = await this.#all.read(() => this.#storage.outbox());
      for (const id of left) inBackground(this.#storage.removeEntry(id));
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
    this.#sender.pump();
  }

  /** Another tab changed the outbox, and has stored that. */
  applyChange(change: OutboxChange): void {
    if ('removed' in change) this.#all.hide(change.removed);
    else if (this.#all.show(change.put) && !this.#storage.isDurable) inBackground(this.#storage.putEntry(change.put));
    this.#sender.pump();
  }

  /** This tab sends from now on, also what the tab before it left behind. */
  lead(): void {
    if (this.#isAppointed) return;
    this.#isAppointed = true;
    void this.#takeOver();
  }

  async #takeOver(): Promise<void> {
    await this.refresh();
    if (!this.#isAppointed) return;
    this.#isLeading = true;
    this.#startOrStop();
  }

  /** Another tab sends from now on. */
  follow(): void {
    this.#isAppointed = false;
    this.#isLeading = false;
    this.#isConnected = false;
    this.#startOrStop();
  }

  /** The connection of this tab came up, or went down. */
  connected(isConnected: boolean): void {
    this.#isConnected = isConnected;
    this.#startOrStop();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#looking);
    this.#startOrStop();
  }

  #startOrStop(): void {
    if (this.#isLeading && this.#isConnected && !this.#isClosed) this.#sender.start();
    else this.#sender.stop();
  }

  // ---- What the server says ------------------------------------------------------------------------

  onFrame(frame: ServerFrame, isLive: boolean): void {
    switch (frame.type) {
      case 'ack':
        this.#onAck(frame, isLive);
        break;
      case 'message':
        if (frame.id !== undefined) this.#settle(frame.id);
        break;
      case 'message_status':
        if (frame.status === 'queued') this.#onQueued(frame);
        if (frame.status === 'failed') this.#onFailed(frame);
        break;
      case 'error':
        if (frame.re !== undefined) this.#onError(frame.re, frame);
        break;
      default:
    }
  }

  #onAck(ack: AckFrame, isLive: boolean): void {
    const entry = this.#all.find(ack.re) ?? this.#sender.discarded(ack.re);
    if (!entry) return;
    batch(() => {
      this.#host.onStored(messageOf(entry, ack, this.#host.me()), isLive);
      this.#settle(ack.re);
    });
  }

  #onQueued({ message_id: messageId, conversation_id: conversationId }: MessageStatusFrame): void {
    const id = this.#accepted.get(messageId) ?? this.#sender.flying(conversationId);
    const entry = id === null ? undefined : this.#all.find(id);
    if (!entry || entry.state === 'failed') return;
    this.#accepted.set(messageId, entry.id);
    if (entry.state === 'queued') this.#change({ ...entry, state: 'accepted' });
    this.#sender.accept(entry.id);
  }

  /** One that was in the log was refused. (Of one that could not be delivered the outbox knows nothing any more.) */
  #onFailed({ message_id: messageId, reason }: MessageStatusFrame): void {
    const id = this.#accepted.get(messageId);
    if (id === undefined || reason === undefined) return;
    this.#onError(id, { code: reason, detail: 'The server did not store this message.', retryable: false });
  }

  #onError(id: ClientId, error: Pick<ErrorFrame, 'code' | 'detail' | 'retryable' | 'retry_after_ms'>): void {
    const entry = this.#all.find(id);
    if (!entry) return;
    const { code, detail } = error;
    if (error.retryable || RETRYABLE.has(code)) {
      if (entry.state === 'accepted') this.#change({ ...entry, state: 'queued' });
      this.#sender.delay(id, code, error.retry_after_ms);
      return;
    }
    this.#change({ ...entry, state: 'failed', problem: { code, detail } });
    this.#sender.settle(id);
    this.#sender.pump();
  }

  /** A message is stored, whoever said so. */
  #settle(id: ClientId): void {
    this.#sender.settle(id);
    if (this.#all.find(id)) {
      inBackground(this.#storage.removeEntry(id));
      this.#remove(id);
    }
    this.#sender.pump();
  }

  // ---- Changes here, told to the other tabs ----------------------------------------------------------

  /** Change an entry here, then in storage: should that not come about, sending it again comes to the same. */
  #change(entry: OutboxEntry): void {
    this.#all.show(entry);
    this.#host.tell({ put: entry });
    inBackground(this.#storage.putEntry(entry, entry.id));
  }

  #put(entry: OutboxEntry): void {
    if (this.#isClosed || !this.#all.show(entry)) return;
    this.#host.tell({ put: entry });
    this.#sender.pump();
  }

  #remove(id: ClientId): void {
    for (const [messageId, clientId] of this.#accepted) if (clientId === id) this.#accepted.delete(messageId);
    this.#all.hide(id);
    this.#host.tell({ removed: id });
    this.#sender.pump();
  }
}

/** Should the browser refuse, it keeps the entry as it was: it is sent again later, and the server knows it by its id. */
function inBackground(writing: Promise<unknown>): void {
  writing.catch((error: unknown) => {
    if (!(error instanceof StorageError)) throw error;
  });
}
