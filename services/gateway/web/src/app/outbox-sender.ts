/** Decides which waiting message goes out when: in order within a conversation, conversations side by side. */

import type { ClientId, ConversationId } from '../protocol';
import type { OutboxEntry } from '../state/model';

/** Codes of refusals after which the same message may be taken. */
export const RETRYABLE: ReadonlySet<string> = new Set([
  'rate_limited',
  'unavailable',
  'queue_full',
  'internal',
  'unauthenticated', // the session ended, which is told elsewhere: it goes out when the user is back
]);
/** No answer to a message on an open connection: send it again. */
const ANSWER_MS = 10_000;
/** The server has it in its log; it says so itself when it is stored. */
const ACCEPTED_MS = 60_000;
/** The connection could not take it just now. */
const BUSY_MS = 1_000;
const BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;
const LONGEST_WAIT_MS = 300_000;
/** Conversations at once. */
const LANES = 8;

/** The head of a conversation: sent and not answered, or waiting to be sent again. */
interface Lane {
  readonly entry: OutboxEntry;
  state: 'flying' | 'accepted' | 'waiting';
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class Sender {
  readonly #entries: () => readonly OutboxEntry[];
  readonly #send: (entry: OutboxEntry) => boolean;
  readonly #random: () => number;
  readonly #lanes = new Map<ConversationId, Lane>();
  readonly #refusals = new Map<ClientId, number>();
  /** Sent and then discarded: an answer may still say that they are stored. */
  readonly #discarded = new Map<ClientId, OutboxEntry>();
  #isOn = false;
  #isDue = false;
  #isPumping = false;
  #width = LANES;

  /** `entries` are in order; `send` answers false where there is no connection that could take it. */
  constructor(entries: () => readonly OutboxEntry[], send: (entry: OutboxEntry) => boolean, random: () => number) {
    this.#entries = entries;
    this.#send = send;
    this.#random = random;
  }

  /** There is a connection, and it is this tab's: all that waits goes out, also what went out over an earlier one. */
  start(): void {
    this.#isOn = true;
    this.pump();
  }

  stop(): void {
    this.#isOn = false;
    this.#width = LANES;
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
    this.#lanes.clear();
    this.#refusals.clear();
    this.#discarded.clear();
  }

  /** Something changed: send what may go out now. */
  pump(): void {
    this.#isDue = true;
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#isDue && this.#isOn) {
        this.#isDue = false;
        this.#sendHeads();
      }
    } finally {
      this.#isPumping = false;
    }
  }

  #sendHeads(): void {
    const heads = this.#heads();
    this.#endLanes(heads);
    for (const [conversationId, entry] of heads) {
      if (!this.#lanes.has(conversationId) && this.#used() < this.#width) this.#fly(entry);
    }
  }

  /** The message that is sent and not answered in a conversation. */
  flying(conversationId: ConversationId): ClientId | null {
    const lane = this.#lanes.get(conversationId);
    return lane && lane.state !== 'waiting' ? lane.entry.id : null;
  }

  /** What was sent over this connection and then discarded. */
  discarded(id: ClientId): OutboxEntry | undefined {
    return this.#discarded.get(id);
  }

  /** A message was stored, or refused for good. */
  settle(id: ClientId): void {
    this.#refusals.delete(id);
    this.#discarded.delete(id);
    this.#width = Math.min(LANES, this.#width + 1);
    const lane = this.#laneOf(id);
    if (lane) this.#end(lane);
  }

  /** The server has a message in its log. */
  accept(id: ClientId): void {
    const lane = this.#laneOf(id);
    if (!lane || lane.state === 'waiting') return;
    lane.state = 'accepted';
    this.#plan(lane, ACCEPTED_MS);
    this.pump();
  }

  /** A message was refused, and may be taken later: its conversation waits. */
  delay(id: ClientId, code: string, afterMs: number | undefined): void {
    const lane = this.#laneOf(id);
    if (!lane || lane.state === 'waiting') return;
    const refusals = this.#refusals.get(id) ?? 0;
    this.#refusals.set(id, refusals + 1);
    // The limit is the user's, not the conversation's: go on with one at a time, and widen with every success.
    if (code === 'rate_limited') this.#width = 1;
    const backoffMs = this.#random() * Math.min(LONGEST_BACKOFF_MS, BACKOFF_MS * 2 ** refusals);
    lane.state = 'waiting';
    this.#plan(lane, Math.min(LONGEST_WAIT_MS, afterMs || backoffMs));
  }

  #heads(): Map<ConversationId, OutboxEntry> {
    const heads = new Map<ConversationId, OutboxEntry>();
    for (const entry of this.#entries()) {
      if (entry.state !== 'failed' && !heads.has(entry.conversationId)) heads.set(entry.conversationId, entry);
    }
    return heads;
  }

  /** End the lanes whose message is gone, or waits while another one comes before it by now. */
  #endLanes(heads: ReadonlyMap<ConversationId, OutboxEntry>): void {
    for (const [conversationId, lane] of this.#lanes) {
      const { id } = lane.entry;
      if (heads.get(conversationId)?.id === id) continue;
      const held = this.#entries().find(entry => entry.id === id);
      if (held && held.state !== 'failed' && lane.state !== 'waiting') continue;
      if (!held && lane.state !== 'waiting') this.#discarded.set(id, lane.entry);
      this.#end(lane);
    }
  }

  /** What waits for the log to be stored takes no room: it costs nothing but its own conversation's time. */
  #used(): number {
    let used = 0;
    for (const { state } of this.#lanes.values()) used += Number(state !== 'accepted');
    return used;
  }

  #fly(entry: OutboxEntry): void {
    const lane: Lane = { entry, state: 'flying', timer: undefined };
    this.#lanes.set(entry.conversationId, lane);
    this.#post(lane);
  }

  #post(lane: Lane): void {
    const isSent = this.#send(lane.entry);
    if (this.#laneOf(lane.entry.id) !== lane || lane.timer) return; // answered at once
    if (!isSent) lane.state = 'waiting';
    this.#plan(lane, isSent ? ANSWER_MS : BUSY_MS);
  }

  #plan(lane: Lane, afterMs: number): void {
    clearTimeout(lane.timer);
    lane.timer = setTimeout(() => {
      lane.timer = undefined;
      if (lane.state !== 'waiting') {
        this.#post(lane);
        return;
      }
      this.#end(lane);
      this.pump();
    }, afterMs);
  }

  #laneOf(id: ClientId): Lane | undefined {
    for (const lane of this.#lanes.values()) if (lane.entry.id === id) return lane;
    return undefined;
  }

  #end(lane: Lane): void {
    clearTimeout(lane.timer);
    this.#lanes.delete(lane.entry.conversationId);
  }
}
