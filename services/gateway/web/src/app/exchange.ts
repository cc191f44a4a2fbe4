/** Carries frames between the server and the tabs of this browser, and turns them into events. */

import { effect, type ReadonlySignal, signal } from '@preact/signals';
import { Link } from '../link/link';
import type { Connection } from '../link/transport';
import { type ClientFrame, type ConversationId, type HelloFrame, type ServerFrame, VERSION } from '../protocol';
import type { Event } from '../state/model';
import { deviceId } from '../storage/database';
import type { Storage } from '../storage/storage';
import { Mender } from './mender';
import type { OutboxChange, TabMessage } from './messages';
import { Outbox } from './outbox';
import { Receipts } from './receipts';
import type { Store } from './store';
import { Tabs } from './tabs';
import { peersOf, Watcher } from './watcher';

const PEERS_MS = 300;
/** What fits into a frame; of the others comes what was not delivered yet. */
const HELLO_CURSORS = 2_000;
const UNCONNECTED: Connection = { state: 'connecting', tries: 0, sinceMs: 0, retryAtMs: 0 };

export interface ExchangeOwner {
  /** Something happened, and the state has it. */
  after(event: Event): void;
  /** Another tab says something that is not about the exchange. */
  onTab(message: TabMessage): void;
  /** A tab opened: tell it what this one knows. */
  onJoined(): void;
  /** The list may lack something: the browser had put this page aside, or a conversation began just now. */
  onMissed(): void;
  /** The server knows another history: everything held was dropped. */
  onOtherEpoch(): void;
  /** The session is over. */
  onEnd(reason: 'none' | 'ended'): void;
  /** The session in this browser is another user's. */
  onOther(): void;
}

export class Exchange {
  readonly #store: Store;
  readonly #userId: string;
  readonly #openId: ReadonlySignal<ConversationId | null>;
  readonly #outbox: Outbox;
  readonly #link: Link;
  readonly #mender: Mender;
  readonly #receipts: Receipts;
  readonly #watcher: Watcher;
  readonly #connection = signal<Connection>(UNCONNECTED);
  readonly #ends: (() => void)[] = [];
  #hasCaughtUp = false;
  #owner: ExchangeOwner | null = null;
  #tabs: Tabs | null = null;

  /** `openId`: the conversation that this tab looks at. */
  static async open(
    userId: string,
    store: Store,
    storage: Storage,
    openId: ReadonlySignal<ConversationId | null>,
  ): Promise<Exchange> {
    let exchange: Exchange | null = null;
    const outbox = await Outbox.open(storage, {
      me: () => store.peek().me,
      send: frame => exchange?.send(frame) ?? false,
      onStored: (message, isLive) => exchange?.tell({ kind: 'stored', message, isLive }),
      tell: (change: OutboxChange) => exchange?.post({ kind: 'outbox', change }),
    });
    exchange = new Exchange(userId, store, openId, outbox);
    return exchange;
  }

  private constructor(userId: string, store: Store, openId: ReadonlySignal<ConversationId | null>, outbox: Outbox) {
    const send = (frame: ClientFrame): boolean => this.send(frame);
    this.#store = store;
    this.#userId = userId;
    this.#openId = openId;
    this.#outbox = outbox;
    this.#mender = new Mender(store, send);
    this.#receipts = new Receipts(send);
    this.#watcher = new Watcher(frame => this.#link.send(frame));
    this.#link = new Link({
      hello: () => this.#hello(),
      user: () => store.peek().me,
      watched: () => this.#watcher.wanted(),
      onFrame: (frame, isLive) => this.#onFrame(frame, isLive),
    });
  }

  get connection(): ReadonlySignal<Connection> {
    return this.#connection;
  }
  get outbox(): Outbox {
    return this.#outbox;
  }

  /** Begin to work, and tell the owner what happens. */
  start(owner: ExchangeOwner): void {
    this.#owner = owner;
    const tabs = new Tabs(this.#userId, {
      onMessage: message => this.#onTab(message),
      onLead: () => this.#lead(),
      onFollow: () => this.#follow(),
      onReturn: () => {
        void this.#outbox.refresh();
        owner.onMissed();
      },
      onOutdated: () => {
        this.#connection.value = { state: 'stopped', why: 'outdated', reason: '' };
      },
    });
    this.#tabs = tabs;
    void this.#outbox.refresh();
    this.#receipts.start();
    this.#mender.start();
    const onVisibility = (): void => {
      if (document.visibilityState === 'hidden') this.#receipts.hurry();
    };
    document.addEventListener('visibilitychange', onVisibility);
    this.#ends.push(
      () => document.removeEventListener('visibilitychange', onVisibility),
      effect(() => {
        const connection = this.#link.connection.value;
        if (tabs.isLeader.value) this.#connected(connection);
      }),
      this.#followPeers(tabs.id),
    );
    this.post({ kind: 'joined', tab: tabs.id });
  }

  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    if (this.#tabs) this.post({ kind: 'watch', tab: this.#tabs.id, usernames: [] });
    this.#mender.stop();
    this.#receipts.stop();
    this.#outbox.close();
    this.#link.stop();
    this.#tabs?.close();
  }

  /** Send through the tab that holds the connection; false: there is none just now. */
  send(frame: ClientFrame): boolean {
    if (this.#isLeader()) return this.#link.send(frame);
    this.post({ kind: 'send', frame });
    return true;
  }

  /** Let something happen in all tabs. */
  tell(event: Event): void {
    this.post({ kind: 'event', event });
    this.#happen(event);
  }

  /** Say something to the other tabs. */
  post(message: TabMessage): void {
    this.#tabs?.post(message);
  }

  /** Try to connect now, whichever tab that does. */
  reconnect(): void {
    if (this.#isLeader()) this.#link.reconnect();
    else this.post({ kind: 'reconnect' });
  }

  /** The user has read up to a seq. */
  read(conversationId: ConversationId, upToSeq: number): void {
    const { me } = this.#store.peek();
    const at = new Date().toISOString();
    const frame: ServerFrame = {
      type: 'read_receipt',
      conversation_id: conversationId,
      user: me.username,
      state: 'read',
      up_to_seq: upToSeq,
      at,
    };
    this.#store.dispatch({ kind: 'frame', frame, isLive: true, nowMs: Date.now() });
    this.#receipts.say(conversationId, 'read', upToSeq);
  }

  /** Say that what is known of a conversation has arrived; one tab says it for the browser. */
  deliver(conversationId: ConversationId): void {
    const conversation = this.#store.conversation(conversationId);
    if (!conversation || !this.#isLeader()) return;
    const own = conversation.members.get(this.#store.peek().me.username);
    if ((own?.deliveredSeq ?? 0) < conversation.lastSeq) {
      this.#receipts.say(conversationId, 'delivered', conversation.lastSeq);
    }
  }

  /** Whether this tab holds the connection. */
  #isLeader(): boolean {
    return this.#tabs?.isLeader.peek() ?? false;
  }

  // ---- The connection ------------------------------------------------------------------------------

  #lead(): void {
    this.#link.start();
    this.#outbox.lead();
  }

  #follow(): void {
    this.#outbox.follow();
    this.#link.stop();
  }

  #hello(): HelloFrame {
    const { epoch, cursors, conversations, me } = this.#store.peek();
    const held = Object.entries(cursors).filter(([id]) => {
      if (this.#hasCaughtUp) return true;
      // The list tells how far a conversation is, not that its messages are here: let the server replay what waits.
      const conversation = conversations.get(id);
      return !conversation || (conversation.members.get(me.username)?.deliveredSeq ?? 0) >= conversation.lastSeq;
    });
    const known = Object.fromEntries(held.slice(0, HELLO_CURSORS));
    return { type: 'hello', v: VERSION, device_id: deviceId(), cursors: known, ...(epoch ? { epoch } : {}) };
  }

  #connected(connection: Connection): void {
    const was = this.#connection.peek().state;
    const isUp = connection.state === 'online' || connection.state === 'polling';
    this.#connection.value = connection;
    this.post({ kind: 'connection', connection });
    if (connection.state !== was) this.#outbox.connected(false); // nobody answers what the connection before was sent
    this.#outbox.connected(isUp);
    if (connection.state === 'online' && was !== 'online') this.#watcher.greet();
    if (isUp && was !== connection.state) this.#receipts.repeat();
    if (!isUp && (was === 'online' || was === 'polling')) this.tell({ kind: 'disconnected' });
    if (connection.state === 'stopped' && connection.why === 'signed-out') this.#owner?.onEnd('ended');
  }

  /** Whom to watch follows the newest conversations, now and then. */
  #followPeers(tab: string): () => void {
    let said = '';
    let timer: ReturnType<typeof setTimeout> | undefined;
    const say = (): void => {
      timer = undefined;
      const usernames = peersOf(this.#store.peek(), this.#openId.peek());
      if (usernames.join(' ') === said) return;
      said = usernames.join(' ');
      this.#watcher.wish(tab, usernames);
      this.post({ kind: 'watch', tab, usernames });
      this.#updateWatch();
    };
    const end = effect(() => {
      void [this.#store.state.value.conversations, this.#openId.value];
      timer ??= setTimeout(say, PEERS_MS);
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }

  #updateWatch(): void {
    const { state } = this.#connection.peek();
    if (this.#isLeader() && (state === 'online' || state === 'polling')) this.#watcher.update();
  }

  // ---- What comes ----------------------------------------------------------------------------------

  #onFrame(frame: ServerFrame, isLive: boolean): void {
    switch (frame.type) {
      case 'welcome': {
        const { epoch, me } = this.#store.peek();
        if (frame.user.id !== me.id) {
          this.#owner?.onOther();
          break;
        }
        this.tell({ kind: 'frame', frame, isLive, nowMs: Date.now() });
        if (epoch !== '' && epoch !== frame.epoch) this.#owner?.onOtherEpoch();
        break;
      }
      case 'sync_page': {
        const { conversation_id: conversationId, messages, members, rev, complete } = frame;
        this.tell({ kind: 'synced', conversationId, messages, members, rev, complete });
        for (const message of messages) this.#outbox.onFrame({ type: 'message', ...message }, false);
        break;
      }
      case 'ack':
      case 'error':
        this.#outbox.onFrame(frame, isLive);
        break;
      case 'goodbye':
      case 'ping':
      case 'pong':
        break;
      default:
        this.tell({ kind: 'frame', frame, isLive, nowMs: Date.now() });
        if (frame.type === 'message' || frame.type === 'message_status') this.#outbox.onFrame(frame, isLive);
    }
  }

  #happen(event: Event): void {
    this.#store.dispatch(event);
    if (event.kind === 'synced') {
      if (!event.complete) this.#mender.goOn(event.conversationId);
      this.deliver(event.conversationId);
    }
    if (event.kind === 'frame') this.#afterFrame(event.frame);
    this.#owner?.after(event);
  }

  #afterFrame(frame: ServerFrame): void {
    const { me } = this.#store.peek();
    if (frame.type === 'caught_up') {
      // The list was read before: what began in between is not in it.
      const isKnown = (id: ConversationId): boolean => this.#store.conversation(id) !== undefined;
      if (!this.#hasCaughtUp && !Object.keys(frame.cursors).every(isKnown)) this.#owner?.onMissed();
      this.#hasCaughtUp = true;
      this.#receipts.repeat();
    } else if (frame.type === 'read_receipt' && frame.user === me.username) {
      this.#receipts.confirm(frame, this.#store.conversation(frame.conversation_id)?.lastSeq ?? 0);
    } else if (frame.type === 'message' && frame.sender !== me.username) {
      this.deliver(frame.conversation_id);
    }
  }

  #onTab(message: TabMessage): void {
    const isLeader = this.#isLeader();
    switch (message.kind) {
      case 'event':
        this.#happen(message.event);
        break;
      case 'connection':
        if (!isLeader) this.#connection.value = message.connection;
        break;
      case 'send':
        if (isLeader) this.#link.send(message.frame);
        break;
      case 'outbox':
        this.#outbox.applyChange(message.change);
        break;
      case 'watch':
        this.#watcher.wish(message.tab, message.usernames);
        this.#updateWatch();
        break;
      case 'joined':
        this.#welcomeTab(isLeader);
        break;
      case 'reconnect':
        if (isLeader) this.#link.reconnect();
        break;
      case 'signed-out':
        this.#owner?.onEnd('none');
        break;
      default:
        this.#owner?.onTab(message);
    }
  }

  #welcomeTab(isLeader: boolean): void {
    const state = this.#store.peek();
    if (this.#tabs) this.post({ kind: 'watch', tab: this.#tabs.id, usernames: peersOf(state, this.#openId.peek()) });
    if (!isLeader) return;
    this.post({ kind: 'connection', connection: this.#connection.peek() });
    for (const [user, { status, lastSeen }] of state.presence) {
      const frame: ServerFrame = { type: 'user_status', user, status, ...(lastSeen ? { last_seen: lastSeen } : {}) };
      this.post({ kind: 'event', event: { kind: 'frame', frame, isLive: true, nowMs: Date.now() } });
    }
    this.#owner?.onJoined();
  }
}
