/** The HTTP twin of the socket: long polls in its stead, with the same frames. */

import * as api from '../api/endpoints';
import { ApiError } from '../api/request';
import type { ClientFrame, HelloFrame, SyncPage, Synced } from '../protocol';
import { Carrier } from './carrier';
import { pause } from './pause';
import type { Connect, Ending, Host, Transport } from './transport';

/** The longest wait. After news it is 1 s, then twice as long each time: what comes between two polls, and is no
 * message, does not end the wait of the second one, and receipts come soon after messages. */
const MOST_WAIT_S = 25;
/** The server answers a question within that, beside the wait it is asked for. */
const ANSWER_MS = 15_000;
const PROBE_MS = 5_000;
/** From the begin of one poll to the next, at least: what never ends must not become a storm. */
const LEAST_MS = 200;
const RATE_LIMITED_MS = 1_000;

export const connectPolling: Connect = (host, onOpen, onEnd) => new PollingTransport(host, onOpen, onEnd);

class PollingTransport implements Transport {
  readonly #host: Host;
  readonly #onOpen: () => void;
  readonly #onEnd: (ending: Ending) => void;
  readonly #life = new AbortController();
  readonly #carrier: Carrier;
  /** What was told last of each conversation and person: most of it is the same in the next answer. */
  readonly #told = new Map<string, string>();
  #poll = new AbortController();
  #isOpen = false;
  #isProbing = false;
  /** Answers in a row that told nothing. */
  #quiet = 0;

  constructor(host: Host, onOpen: () => void, onEnd: (ending: Ending) => void) {
    this.#host = host;
    this.#onOpen = onOpen;
    this.#onEnd = onEnd;
    this.#carrier = new Carrier(host, this.#life.signal, {
      onSignedOut: error => this.#end(error),
      onUnreached: () => this.probe(),
      onWatch: () => this.#poll.abort(),
    });
    void this.#run();
  }

  send(frame: ClientFrame): boolean {
    return this.#isOpen && this.#carrier.carry(frame);
  }

  probe(): void {
    if (this.#isProbing) return;
    this.#isProbing = true;
    this.#poll.abort();
  }

  close(): void {
    this.#isOpen = false;
    this.#life.abort();
    this.#poll.abort();
  }

  get #isOver(): boolean {
    return this.#life.signal.aborted;
  }

  /** One poll after the other, until it is over. */
  async #run(): Promise<void> {
    while (!this.#isOver) {
      const startedMs = Date.now();
      let pauseMs = LEAST_MS;
      this.#poll = new AbortController();
      try {
        await this.#ask(this.#poll.signal);
      } catch (error) {
        if (this.#isOver) return;
        if (!(error instanceof ApiError)) {
          if (!this.#poll.signal.aborted) throw error;
        } else if (error.code === 'rate_limited') {
          pauseMs = error.retryAfterMs || RATE_LIMITED_MS;
        } else {
          this.#end(error);
          return;
        }
      }
      await pause(startedMs + pauseMs - Date.now(), this.#life.signal);
    }
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const { epoch, cursors } = this.#host.hello();
    const waitS = this.#isOpen && !this.#isProbing ? Math.min(MOST_WAIT_S, 2 ** this.#quiet) : 0;
    const timeoutMs = this.#isProbing ? PROBE_MS : waitS * 1000 + ANSWER_MS;
    const question = { ...(epoch === undefined ? {} : { epoch }), cursors: cursors ?? {}, wait_s: waitS };
    const answer = await api.sync({ ...question, watch: this.#host.watched() }, { signal, timeoutMs });
    if (this.#isOver) return;
    this.#isProbing = false;
    this.#tell(answer, epoch);
    if (this.#isOpen || this.#isOver) return;
    this.#isOpen = true;
    this.#onOpen();
  }

  #tell(answer: Synced, knownEpoch: HelloFrame['epoch']): void {
    const isLive = this.#isOpen;
    const tell = this.#host.onFrame.bind(this.#host);
    if (answer.epoch !== knownEpoch) this.#tellEpoch(answer.epoch);
    const pages = answer.conversations.filter(page => this.#isNews(page));
    for (const page of pages) tell({ type: 'sync_page', re: '', ...page }, isLive);
    const replayed = pages.reduce((sum, page) => sum + page.messages.length, 0);
    const more = answer.more.length > 0 ? { more: answer.more } : {};
    tell({ type: 'caught_up', replayed, cursors: answer.cursors, ...more }, isLive);
    for (const typing of answer.typing) tell({ type: 'typing', ...typing }, isLive);
    for (const presence of answer.presence) {
      if (this.#isOther(`user ${presence.user}`, presence)) tell({ type: 'user_status', ...presence }, isLive);
    }
    this.#quiet = pages.length + answer.typing.length > 0 ? 0 : this.#quiet + 1;
  }

  #tellEpoch(epoch: string): void {
    this.#told.clear();
    this.#host.onFrame(
      {
        type: 'welcome',
        session_id: '',
        user: this.#host.user(),
        epoch,
        heartbeat_ms: MOST_WAIT_S * 1000,
        limits: {},
        server_time: new Date().toISOString(),
      },
      false,
    );
  }

  #isNews({ conversation_id: id, messages, members, rev, complete }: SyncPage): boolean {
    return this.#isOther(`conversation ${id}`, [rev, complete, members]) || messages.length > 0;
  }

  #isOther(subject: string, value: unknown): boolean {
    const now = JSON.stringify(value);
    if (this.#told.get(subject) === now) return false;
    this.#told.set(subject, now);
    return true;
  }

  #end(error: ApiError): void {
    if (this.#isOver) return;
    this.close();
    this.#onEnd({
      code: 0,
      reason: error.detail,
      stop: error.code === 'unauthenticated' ? 'signed-out' : null,
      afterMs: error.retryAfterMs,
    });
  }
}
