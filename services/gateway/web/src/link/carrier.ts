/** Carries single frames over HTTP; the answers become the frames that a socket would bring. */

import * as api from '../api/endpoints';
import { ApiError } from '../api/request';
import type {
  ClientFrame,
  ClientId,
  QueuedMessage,
  SendFrame,
  SendReceiptFrame,
  SendStatusFrame,
  SendTypingFrame,
  SentMessage,
  SyncFrame,
} from '../protocol';
import { pause } from './pause';
import type { Host } from './transport';

/** Requests at once; a browser makes six to a server, the others wait. */
const AT_ONCE = 16;
/** When to ask what became of a queued message; then its sender repeats it anyway. */
const STATUS_AFTER_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000];

export interface CarrierOwner {
  onSignedOut(error: ApiError): void;
  /** A request was not answered. */
  onUnreached(): void;
  /** Others are to be watched than before. */
  onWatch(): void;
}

export class Carrier {
  readonly #host: Host;
  readonly #signal: AbortSignal;
  readonly #owner: CarrierOwner;
  readonly #messages = new Set<ClientId>();
  #running = 0;

  /** After `signal` nothing is told any more. */
  constructor(host: Host, signal: AbortSignal, owner: CarrierOwner) {
    this.#host = host;
    this.#signal = signal;
    this.#owner = owner;
  }

  /** Carry a frame; false: too many are under way. */
  carry(frame: ClientFrame): boolean {
    switch (frame.type) {
      case 'message':
        return this.#messages.has(frame.id) || this.#run(() => this.#send(frame), frame.id);
      case 'sync':
        return this.#run(() => this.#sync(frame), frame.id);
      case 'read_receipt':
        return this.#run(() => this.#moveCursor(frame));
      case 'typing':
        return this.#run(() => this.#type(frame));
      case 'user_status':
        return this.#run(() => this.#chooseStatus(frame));
      default:
        return true; // a poll says as much
    }
  }

  #run(work: () => Promise<void>, id?: ClientId): boolean {
    if (this.#running >= AT_ONCE) return false;
    this.#running += 1;
    work()
      .catch((error: unknown) => this.#fail(error, id))
      .finally(() => {
        this.#running -= 1;
      });
    return true;
  }

  #fail(error: unknown, id: ClientId | undefined): void {
    if (this.#signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 'unauthenticated') {
      this.#owner.onSignedOut(error);
      return;
    }
    if (error.code === 'network') this.#owner.onUnreached();
    if (id === undefined) return;
    this.#host.onFrame(
      {
        type: 'error',
        re: id,
        code: error.code === 'network' ? 'unavailable' : error.code,
        detail: error.detail,
        retryable: error.isRetryable,
        ...(error.retryAfterMs > 0 ? { retry_after_ms: error.retryAfterMs } : {}),
        ...(Object.keys(error.fields).length > 0 ? { fields: error.fields } : {}),
      },
      false,
    );
  }

  async #send(frame: SendFrame): Promise<void> {
    this.#messages.add(frame.id);
    try {
      const sent = await api.send(frame, this.#signal);
      if (this.#signal.aborted) return;
      if (sent.status === 'sent') this.#ack(frame.id, sent);
      else await this.#follow(frame.id, sent);
    } finally {
      this.#messages.delete(frame.id);
    }
  }

  #ack(id: ClientId, { message_id, conversation_id, seq, rev, sent_at, duplicate }: Omit<SentMessage, 'status'>): void {
    this.#host.onFrame(
      { type: 'ack', re: id, message_id, conversation_id, seq, rev, status: 'sent', sent_at, duplicate },
      false,
    );
  }

  /** The message is in the log: ask until it is stored, or refused. */
  async #follow(id: ClientId, { message_id, conversation_id }: QueuedMessage): Promise<void> {
    const tell = (status: 'queued' | 'failed', reason: string | null): void => {
      const at = new Date().toISOString();
      const why = reason === null ? {} : { reason };
      this.#host.onFrame({ type: 'message_status', message_id, conversation_id, status, at, ...why }, false);
    };
    tell('queued', null);
    for (const afterMs of STATUS_AFTER_MS) {
      await pause(afterMs, this.#signal);
      if (this.#signal.aborted) return;
      try {
        const { status, seq, reason } = await api.messageStatus(message_id, this.#signal);
        if (status === 'failed') {
          tell('failed', reason);
          return;
        }
        if (seq !== null) {
          this.#ack(id, { ...(await api.message(message_id, this.#signal)), duplicate: false });
          return;
        }
      } catch (error) {
        if (!(error instanceof ApiError && error.isRetryable)) throw error;
      }
    }
  }

  async #sync({ id, conversation_id: conversationId, after_rev: afterRev }: SyncFrame): Promise<void> {
    const { epoch, cursors } = this.#host.hello();
    const question = {
      ...(epoch === undefined ? {} : { epoch }),
      cursors: { ...cursors, [conversationId]: afterRev },
      wait_s: 0,
      watch: [],
    };
    const { conversations } = await api.sync(question, { signal: this.#signal });
    if (this.#signal.aborted) return;
    const page = conversations.find(each => each.conversation_id === conversationId);
    if (!page) throw new ApiError(404, 'not_found', 'There is no such conversation.', false, 0);
    this.#host.onFrame({ type: 'sync_page', re: id, ...page }, false);
  }

  async #moveCursor({ conversation_id: id, state, up_to_seq: upToSeq }: SendReceiptFrame): Promise<void> {
    const moved = await api.moveCursor(
      id,
      state === 'read' ? { read_seq: upToSeq } : { delivered_seq: upToSeq },
      this.#signal,
    );
    if (this.#signal.aborted) return;
    this.#host.onFrame(
      {
        type: 'read_receipt',
        conversation_id: id,
        user: this.#host.user().username,
        state,
        up_to_seq: state === 'read' ? moved.read_seq : moved.delivered_seq,
        at: new Date().toISOString(),
      },
      false,
    );
  }

  /** One that does not exist yet has nobody who would see it. */
  async #type({ conversation_id: id, state }: SendTypingFrame): Promise<void> {
    if (id !== undefined) await api.typing(id, state, this.#signal);
  }

  async #chooseStatus({ status, watch, unwatch }: SendStatusFrame): Promise<void> {
    if (watch || unwatch) this.#owner.onWatch();
    if (status) await api.choosePresence(status, this.#signal);
  }
}
