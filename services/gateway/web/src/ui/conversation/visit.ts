import { type ReadonlySignal, signal } from '@preact/signals';
import type { Client, Loading, Place } from '../../app/client';
import type { ConversationId, MessageId } from '../../protocol';
import type { Run } from '../../state/model';
import type { Row } from '../../state/rows';
import { knownSeq } from '../../state/select';
import type { ScrollKeeper } from './keeper';
import { leave, leftAt } from './positions';

/** Nearer than this many px to what is not loaded, it is loaded. */
const LOAD_PX = 600;
/** With more than this many px below, there is a button to the end. */
const AWAY_PX = 80;
const FOUND_MS = 2_000;
/** The key of the divider among the rows. */
const DIVIDER = 'unread';

/** One visit of a conversation: where it begins, what is loaded and when, what counts as shown, and jumps. */
export class Visit {
  readonly #client: Client;
  readonly #id: ConversationId;
  readonly #isAway = signal(false);
  readonly #found = signal<string | null>(null);
  #keeper: ScrollKeeper | null = null;
  #rows: readonly Row[] = [];
  #isOpen = false;
  /** The list is where the visit begins: from now on people and new messages move it. */
  #hasArrived = false;
  #fading: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, id: ConversationId) {
    this.#client = client;
    this.#id = id;
  }

  /** Whether the newest message is out of sight. */
  get isAway(): ReadonlySignal<boolean> {
    return this.#isAway;
  }

  /** The key of the row that was jumped to just now. */
  get found(): ReadonlySignal<string | null> {
    return this.#found;
  }

  start(keeper: ScrollKeeper): void {
    this.#keeper = keeper;
  }

  end(): void {
    clearTimeout(this.#fading);
    const position = this.#keeper?.position ?? 'end';
    const row = position === 'end' ? undefined : this.#rows.find(({ key }) => key === position.key);
    const isLeftAway = this.#hasArrived && position !== 'end' && row?.kind === 'message';
    if (this.#hasArrived) {
      leave(this.#client, this.#id, isLeftAway ? { anchor: position, messageId: row.message.message_id } : null);
    }
    this.#keeper = null;
  }

  /** What is about to be rendered. `isOpen`: the client has begun this visit, too; what it said before was of another. */
  setRows(rows: readonly Row[], isOpen: boolean): void {
    this.#rows = rows;
    this.#isOpen = isOpen;
    this.#keeper?.setReachesEnd(this.#run?.reachesEnd ?? true);
  }

  /** The rows are rendered and in their places. */
  settled(): void {
    if (!this.#keeper) return;
    if (!this.#hasArrived) this.#arrive(this.#keeper);
    this.#follow();
  }

  scrolled(isByPerson: boolean): void {
    if (isByPerson && this.#run && !this.#loading?.place) this.#hasArrived = true;
    this.#follow();
  }

  /** Say what is on the screen, if somebody can see it. */
  report = (): void => {
    const isSeen = document.visibilityState === 'visible' && document.hasFocus();
    if (!this.#keeper || !this.#hasArrived || !isSeen) return;
    const seq = Math.min(this.#keeper.lastSeqShown(), knownSeq(this.#client.state.peek(), this.#id));
    if (seq > 0) this.#client.shown(this.#id, seq);
  };

  /** Go to a place; false where there is none. */
  async jump(place: Place): Promise<boolean> {
    const messageId = await this.#client.jump(this.#id, place);
    if (place.to === 'latest') return this.#putEnd();
    const key = this.#keyOf(messageId);
    if (key === null) return false;
    if (place.to === 'unread' && this.#rows.some(row => row.key === DIVIDER)) this.#putRow(DIVIDER, 'start');
    else this.#putRow(key, 'middle');
    this.#find(key);
    return true;
  }

  /** Go to the newest message; what is sent there follows. */
  async jumpToEnd(): Promise<void> {
    if (this.#run?.reachesEnd === false) await this.jump({ to: 'latest' });
    else this.#putEnd();
  }

  hold(key: string): void {
    this.#keeper?.hold(key);
  }

  /** Read again what could not be read. */
  async retry(): Promise<void> {
    if (!this.#run) await this.#client.jump(this.#id, { to: 'unread' });
    else this.#load(true);
  }

  get #run(): Run | undefined {
    return this.#client.state.peek().runs.get(this.#id);
  }

  get #loading(): Loading | undefined {
    return this.#client.loading.peek().get(this.#id);
  }

  #keyOf(messageId: MessageId | null): string | null {
    const row = this.#rows.find(one => one.kind === 'message' && one.message.message_id === messageId);
    return row?.key ?? null;
  }

  /** Begin at the first unread message, else where this was left, else at the end. */
  #arrive(keeper: ScrollKeeper): void {
    if (!this.#isOpen) return;
    const isUnread = this.#client.dividerSeq.peek() !== null;
    if (isUnread) keeper.aim({ to: 'row', key: DIVIDER, place: 'start' });
    keeper.settle();
    const isComplete = !isUnread || keeper.has(DIVIDER) || this.#loading?.problem != null;
    if (!this.#run || this.#loading?.place || !isComplete) return;
    keeper.arrive();
    this.#hasArrived = true;
    const left = leftAt(this.#client, this.#id);
    if (left && !isUnread && !keeper.has(left.anchor.key)) void this.#goBack(keeper, left);
  }

  async #goBack(keeper: ScrollKeeper, left: NonNullable<ReturnType<typeof leftAt>>): Promise<void> {
    await this.#client.jump(this.#id, {
      to: 'message',
      messageId: left.messageId,
    });
    keeper.restore(left.anchor);
    this.#follow();
  }

  /** What follows from where the list is now. */
  #follow(): void {
    const keeper = this.#keeper;
    if (!keeper || !this.#run) return;
    this.#isAway.value = !this.#run.reachesEnd || (!keeper.isAtEnd && keeper.below > AWAY_PX);
    if (!this.#hasArrived) return;
    this.report();
    this.#load(false);
  }

  /** Load what is near the screen, one page at a time. After a failure only when asked to. */
  #load(isAsked: boolean): void {
    const keeper = this.#keeper;
    const run = this.#run;
    const loading = this.#loading;
    if (!keeper || !run || loading?.older || loading?.newer || loading?.place) return;
    if (loading?.problem != null && !isAsked) return;
    if (!run.reachesStart && keeper.above < LOAD_PX) void this.#client.loadOlder(this.#id);
    else if (!run.reachesEnd && keeper.below < LOAD_PX) void this.#client.loadNewer(this.#id);
  }

  #putEnd(): boolean {
    this.#hasArrived = true;
    this.#keeper?.aim({ to: 'end' });
    this.#settleTarget();
    return true;
  }

  #putRow(key: string, place: 'start' | 'middle'): void {
    this.#hasArrived = true;
    this.#keeper?.aim({ to: 'row', key, place });
    this.#settleTarget();
  }

  #settleTarget(): void {
    this.#keeper?.settle();
    this.#keeper?.arrive();
    this.#follow();
  }

  #find(key: string): void {
    clearTimeout(this.#fading);
    this.#found.value = key;
    this.#fading = setTimeout(() => {
      this.#found.value = null;
    }, FOUND_MS);
  }
}
