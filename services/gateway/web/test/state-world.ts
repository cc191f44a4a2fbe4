/**
 * A server, its network and a client that does what its owner does: what comes late, twice or not at all, what is read
 * meanwhile, lost connections and other devices, all by chance.
 */

import type { ConversationId, Message, ReceiptFrame, ServerFrame, User, Username } from '../src/protocol';
import type { Event, State } from '../src/state/model';
import { initial, reduce } from '../src/state/reduce';
import { Random } from './state-random';
import { Server, type Stored } from './state-server';

export const ME: User = { id: 'u1', username: 'ann', display_name: 'Ann' };
const OTHERS = ['ben', 'cat', 'dan'];
const PAGE = 6;

export interface Conditions {
  /** Chances of a live message to get lost, to come late, to come twice. */
  readonly lost: number;
  readonly late: number;
  readonly twice: number;
  readonly edits: boolean;
  readonly polls: boolean;
  readonly restores: boolean;
  /** So many conversations are on the first page of the list. */
  readonly listed: number;
}

/** An answer that was computed by the server and is on its way. */
interface Answer {
  readonly what: string;
  readonly needsSocket: boolean;
  readonly event: () => Event;
}

export class World {
  readonly server = new Server(ME);
  readonly random: Random;
  state: State = initial(ME);
  /** Answers and acks on their way, in no order. */
  #answers: Answer[] = [];
  /** Frames of the connection: the answer to `hello` first, then each kind in its order. */
  #replay: ServerFrame[] = [];
  #live: { messages: Message[]; receipts: ReceiptFrame[] } = { messages: [], receipts: [] };
  #late: Message[] = [];
  #link: 'none' | 'socket' | 'polling' = 'none';
  /** Conversations of which a live message got lost: the server notices that it was not delivered. */
  readonly #lost = new Set<ConversationId>();
  #open: ConversationId | null = null;
  #sent = 0;
  #lists = 0;

  constructor(
    seed: number,
    readonly conditions: Conditions,
  ) {
    this.random = new Random(seed);
    for (const other of OTHERS) this.server.begin(`dk-${other}`, ME.username, other);
    this.server.begin('group', ME.username, 'ben', 'cat');
    for (let n = this.random.below(30); n > 0; n--) this.#someoneWrites();
  }

  dispatch(event: Event): void {
    this.state = reduce(this.state, event);
  }

  /** One thing happens. */
  step(): void {
    this.random.pick<() => void>([
      () => this.#someoneWrites(),
      () => this.#someoneWrites(),
      () => this.#someoneReceives(),
      () => this.#someoneReceives(),
      () => this.#send(),
      () => this.#readOn(),
      () => this.#edit(),
      () => this.#network(),
      () => this.#network(),
      () => this.#network(),
      () => this.#network(),
      () => this.#answer(),
      () => this.#answer(),
      () => this.#look(),
      () => this.#mend(),
      () => this.#mend(),
      () => this.#connection(),
      () => this.#listen(),
    ])();
  }

  /** Let everything come to rest: what is on its way arrives, what is missing is fetched. */
  settle(): void {
    for (let n = 0; n < 2_000; n++) {
      if (this.#link === 'none') this.#connect();
      this.#mend();
      const isQuiet = ![this.#answer(), this.#network(), this.#tellLost()].includes(true);
      if (this.#link === 'polling' && isQuiet) this.#poll();
      if (isQuiet && this.#answers.length === 0 && this.state.behind.size === 0 && !this.#wants()) return;
    }
    throw new Error('it does not come to rest');
  }

  // ---- People --------------------------------------------------------------------------------------

  #any(): Stored {
    return this.random.pick([...this.server.conversations.values()]);
  }

  #someoneWrites(): void {
    const to = this.#any();
    const sender = this.random.pick(to.members);
    this.#announce(this.server.write(to, sender));
  }

  #someoneReceives(): void {
    const of = this.#any();
    this.#move(of, this.random.pick(of.members), this.random.chance(0.5) ? 'read' : 'delivered');
  }

  #move(of: Stored, user: Username, state: 'read' | 'delivered'): void {
    const receipt = this.server.move(of, user, state, 1 + this.random.below(of.messages.length + 2));
    if (receipt && this.#link === 'socket') this.#live.receipts.push(receipt);
  }

  /** The user writes here; another browser tab or the outbox has the answer later. */
  #send(): void {
    const to = this.#any();
    this.#sent += 1;
    const message = this.server.write(to, ME.username, `own-${this.#sent}`);
    const needsSocket = this.#link === 'socket' && this.random.chance(0.7);
    const event = (): Event => ({ kind: 'stored', message, isLive: this.#isCaughtUp });
    this.#answers.push({ what: `own-${this.#sent}`, needsSocket, event });
  }

  #readOn(): void {
    const of = this.server.conversations.get(this.#open ?? '') ?? this.#any();
    this.#move(of, ME.username, 'read');
  }

  #edit(): void {
    const of = this.#any();
    if (!this.conditions.edits || of.messages.length === 0) return;
    this.#announce(this.server.edit(of, 1 + this.random.below(of.messages.length)));
  }

  #announce(message: Message): void {
    if (this.#link !== 'socket') return;
    if (this.random.chance(this.conditions.lost)) {
      this.#lost.add(message.conversation_id);
      return;
    }
    if (this.random.chance(this.conditions.late)) this.#late.push(message);
    else this.#live.messages.push(message);
    if (this.random.chance(this.conditions.twice)) this.#live.messages.push(message);
  }

  // ---- The network -----------------------------------------------------------------------------------

  /** A frame comes. False: none is on its way. */
  #network(): boolean {
    if (this.#link !== 'socket') return false;
    const replayed = this.#replay.shift();
    if (replayed) {
      this.#frame(replayed, false);
      return true;
    }
    const lanes = [this.#live.messages, this.#live.receipts, this.#late].filter(lane => lane.length > 0);
    if (lanes.length === 0) return false;
    const frame = this.random.pick(lanes).shift();
    if (frame) this.#frame('type' in frame ? frame : { type: 'message', ...frame }, true);
    return true;
  }

  #frame(frame: ServerFrame, isLive: boolean): void {
    const { epoch, cursors } = this.state;
    this.dispatch({ kind: 'frame', frame, isLive, nowMs: 0 });
    if (frame.type === 'welcome' && frame.epoch !== epoch) this.#list();
    // What was begun elsewhere between the list and the first `caught_up` is named by neither.
    if (frame.type === 'caught_up' && Object.keys(cursors).length === 0) this.#list();
  }

  /** An answer comes, not always the oldest; of another history none before it is known. False: none is on its way. */
  #answer(): boolean {
    if (this.#answers.length === 0 || !['', this.server.epoch].includes(this.state.epoch)) return false;
    const [answer] = this.#answers.splice(this.random.below(Math.min(3, this.#answers.length)), 1);
    if (answer) this.dispatch(answer.event());
    return true;
  }

  get #isCaughtUp(): boolean {
    return this.#link === 'polling' || (this.#link === 'socket' && this.#replay.length === 0);
  }

  /** Ask the server, which answers with what it knows now. */
  #ask(what: string, needsSocket: boolean, event: () => Event): void {
    if (this.#answers.some(answer => answer.what === what)) return;
    const answered = event();
    this.#answers.push({ what, needsSocket, event: () => answered });
  }

  #connection(): void {
    if (this.#link === 'none') this.#connect();
    else if (this.random.chance(0.3)) this.#disconnect();
  }

  #connect(): void {
    if (this.conditions.restores && this.state.epoch !== '' && this.random.chance(0.1)) this.#restore();
    this.#lost.clear();
    this.#link = this.conditions.polls && this.random.chance(0.4) ? 'polling' : 'socket';
    const { epoch } = this.state;
    if (this.#link === 'socket') this.#replay = this.server.hello(this.#cursors(), epoch);
    else this.#poll();
  }

  /** At times a client says that it knows nothing of a conversation, to get what waits. */
  #cursors(): Record<ConversationId, number> {
    const known = Object.entries(this.state.cursors);
    return Object.fromEntries(known.filter(() => this.random.chance(0.9)));
  }

  #disconnect(): void {
    this.#link = 'none';
    this.#replay = [];
    this.#late = [];
    this.#live = { messages: [], receipts: [] };
    this.#answers = this.#answers.filter(({ needsSocket }) => !needsSocket);
    this.dispatch({ kind: 'disconnected' });
  }

  #restore(): void {
    const stored = this.server.existing;
    if (stored.length === 0) return;
    this.server.restore(this.random.pick(stored), 1 + this.random.below(5));
    this.#answers = [];
  }

  /** The HTTP twin: what was missed comes as pages, with a `caught_up` behind them. */
  #poll(): void {
    if (this.state.epoch !== this.server.epoch) this.#frame(this.server.welcome(), false);
    const missed = this.server.missed(this.#cursors());
    for (const { page } of missed) {
      const { conversation_id: conversationId, ...rest } = page;
      this.dispatch({ kind: 'synced', conversationId, ...rest });
    }
    this.#frame(this.server.caughtUp(missed), true);
  }

  #listen(): void {
    if (this.#link === 'polling') this.#poll();
  }

  /** A lost message was not delivered for ten seconds: the server says so. What was asked before has been answered. */
  #tellLost(): boolean {
    if (!this.#isCaughtUp) return false;
    for (const id of this.#lost) {
      if (this.#answers.some(({ what }) => what === `sync ${id}`)) continue;
      this.#lost.delete(id);
      this.#frame({ type: 'resync', reason: 'gap', conversation_id: id }, true);
      return true;
    }
    return false;
  }

  // ---- The owner of the state ------------------------------------------------------------------------

  #read(stored: Stored): void {
    this.#ask(`view ${stored.id}`, false, () => ({ kind: 'conversation', view: this.server.view(stored) }));
  }

  #list(): void {
    this.#lists += 1;
    this.#ask(`list ${this.#lists}`, false, () => ({ kind: 'listed', ...this.server.list(this.conditions.listed) }));
  }

  /** Fetch what the state says is missing. */
  #mend(): void {
    for (const id of this.state.behind) {
      const stored = this.server.conversations.get(id);
      if (!stored || this.#link === 'none' || this.#replay.length > 0) continue;
      this.#ask(`sync ${id}`, true, () => {
        const { conversation_id: conversationId, ...page } = this.server.sync(stored, this.state.cursors[id] ?? 0);
        return { kind: 'synced', conversationId, ...page };
      });
    }
    for (const { id, isStale } of this.state.conversations.values()) {
      const stored = this.server.conversations.get(id);
      if (isStale && stored) this.#read(stored);
    }
    const stored = this.server.conversations.get(this.#open ?? '');
    if (stored && this.#lacksEnd(stored.id)) {
      const last = this.state.runs.get(stored.id)?.messages.at(-1);
      if (last) this.#page(stored, last.seq + 1, 'newer');
      else this.#page(stored, Math.max(1, stored.messages.length - PAGE), 'instead');
    }
  }

  #lacksEnd(id: ConversationId): boolean {
    return !this.state.runs.get(id)?.reachesEnd;
  }

  #wants(): boolean {
    if (this.#open !== null && this.#lacksEnd(this.#open)) return true;
    return [...this.state.conversations.values()].some(({ isStale }) => isStale);
  }

  /** The user opens a conversation, scrolls, jumps, closes it. */
  #look(): void {
    const open = this.server.conversations.get(this.#open ?? '');
    const run = this.state.runs.get(this.#open ?? '');
    if (!open || this.random.chance(0.3)) {
      if (this.#open) this.dispatch({ kind: 'closed', conversationId: this.#open });
      const stored = this.#any();
      this.#open = stored.id;
      const isNew = stored.messages.length === 0 && !this.state.conversations.has(stored.id);
      if (isNew && stored.members.length === 2) this.#begin(stored);
      else if (!isNew) this.#read(stored);
      return;
    }
    const first = run?.messages[0];
    if (!first) return;
    if (this.random.chance(0.5)) this.#page(open, Math.max(1, first.seq - PAGE), 'older', first.seq);
    else this.#page(open, 1 + this.random.below(open.messages.length), 'instead');
  }

  #begin({ id, members }: Stored): void {
    const other = members.find(username => username !== ME.username) ?? '';
    this.dispatch({ kind: 'begun', conversationId: id, peer: { username: other, displayName: other.toUpperCase() } });
    const whole = { reachesStart: true, reachesEnd: true } as const;
    this.dispatch({ kind: 'page', conversationId: id, messages: [], members: [], place: 'instead', ...whole });
  }

  #page(of: Stored, fromSeq: number, place: 'instead' | 'older' | 'newer', beforeSeq = fromSeq + PAGE): void {
    const read = (): Event => ({
      ...{ kind: 'page', conversationId: of.id, place },
      messages: this.server.items(of).slice(fromSeq - 1, beforeSeq - 1),
      members: this.server.cursors(of),
      reachesStart: fromSeq <= 1,
      reachesEnd: beforeSeq > of.messages.length,
    });
    // A page does not tell how old its versions are: one that comes late may bring back what was edited meanwhile.
    if (this.conditions.edits) this.dispatch(read());
    else this.#ask(`page ${of.id}`, false, read);
  }
}
