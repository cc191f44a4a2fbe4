/** A model of the server: conversations, their changes, and what it answers to whoever asks. */

import type {
  ConversationId,
  ConversationView,
  Message,
  MessageItem,
  PeerCursor,
  ReceiptFrame,
  ReceiptState,
  ServerFrame,
  SyncPage,
  Time,
  User,
  Username,
} from '../src/protocol';

export interface Stored {
  readonly id: ConversationId;
  readonly members: readonly Username[];
  readonly messages: Message[];
  readonly firstRevs: number[];
  readonly cursors: Map<Username, PeerCursor>;
  rev: number;
  muted: boolean;
}

/** What a client missed of one conversation. */
export interface Missed {
  readonly isReset: boolean;
  readonly page: SyncPage;
  readonly receipts: readonly ReceiptFrame[];
}

/** Pages are short, so that there are many. */
const PAGE = 6;

export class Server {
  epoch = 'e1';
  readonly conversations = new Map<ConversationId, Stored>();
  #ms = Date.parse('2026-11-22T10:00:00.000Z');
  #ids = 0;

  constructor(readonly me: User) {}

  #now(): Time {
    this.#ms += 1_000;
    return new Date(this.#ms).toISOString();
  }

  begin(id: ConversationId, ...members: Username[]): Stored {
    const cursors = new Map(
      members.map(username => [
        username,
        { username, delivered_seq: 0, read_seq: 0, delivered_at: null, read_at: null } as PeerCursor,
      ]),
    );
    const stored: Stored = { id, members, messages: [], firstRevs: [], cursors, rev: 0, muted: false };
    this.conversations.set(id, stored);
    return stored;
  }

  /** Those that the user's list has: a direct one exists from its first message on. */
  get existing(): Stored[] {
    return [...this.conversations.values()].filter(({ messages }) => messages.length > 0);
  }

  write(to: Stored, sender: Username, clientId?: string): Message {
    to.rev += 1;
    this.#ids += 1;
    const message: Message = {
      message_id: `m${this.#ids}`,
      conversation_id: to.id,
      seq: to.messages.length + 1,
      rev: to.rev,
      sender,
      content: `text ${this.#ids}`,
      content_type: 'text/plain',
      sent_at: this.#now(),
      ...(sender === this.me.username ? { id: clientId ?? `other-device-${this.#ids}` } : {}),
    };
    to.messages.push(message);
    to.firstRevs.push(to.rev);
    const cursor = to.cursors.get(sender);
    if (cursor?.delivered_seq === message.seq - 1) cursor.delivered_seq = message.seq;
    return message;
  }

  edit(of: Stored, seq: number): Message {
    const held = of.messages[seq - 1];
    if (!held) throw new Error(`no message ${seq}`);
    of.rev += 1;
    const edited = { ...held, rev: of.rev, content: `${held.content}*` };
    of.messages[seq - 1] = edited;
    return edited;
  }

  /** Move a cursor. Null: it was there already. */
  move(of: Stored, user: Username, state: ReceiptState, upTo: number): ReceiptFrame | null {
    const cursor = of.cursors.get(user);
    const seq = Math.min(upTo, of.messages.length);
    if (!cursor || seq <= (state === 'read' ? cursor.read_seq : cursor.delivered_seq)) return null;
    const at = this.#now();
    if (state === 'read') Object.assign(cursor, { read_seq: seq, read_at: at });
    if (cursor.delivered_seq < seq) Object.assign(cursor, { delivered_seq: seq, delivered_at: at });
    return { type: 'read_receipt', conversation_id: of.id, user, state, up_to_seq: seq, at };
  }

  view(of: Stored): ConversationView {
    const own = this.#cursor(of, this.me.username);
    const unread = of.messages.filter(({ seq, sender }) => seq > own.read_seq && sender !== this.me.username);
    const members = of.members.map(username => {
      const { delivered_seq, read_seq } = this.#cursor(of, username);
      return { username, display_name: username.toUpperCase(), delivered_seq, read_seq };
    });
    const peer = of.members.length === 2 ? members.find(({ username }) => username !== this.me.username) : undefined;
    return {
      conversation_id: of.id,
      kind: peer ? 'direct' : 'group',
      rev: of.rev,
      last_seq: of.messages.length,
      last_message: this.items(of).at(-1) ?? null,
      unread: unread.length,
      first_unread_seq: unread[0]?.seq ?? null,
      delivered_seq: own.delivered_seq,
      read_seq: own.read_seq,
      members,
      ...(peer ? { peer } : {}),
      ...{ muted: of.muted, pinned: false, archived: false, draft: '', blocked: false },
    };
  }

  /** The list, newest message first. */
  list(limit = Infinity): { views: ConversationView[]; isWhole: boolean } {
    const views = this.existing.map(stored => this.view(stored));
    views.sort((one, other) => ((one.last_message?.sent_at ?? '') < (other.last_message?.sent_at ?? '') ? 1 : -1));
    return { views: views.slice(0, limit), isWhole: views.length <= limit };
  }

  items(of: Stored): MessageItem[] {
    return of.messages.map(message => ({ ...message, status: 'sent', delivered_at: null, read_at: null }));
  }

  cursors(of: Stored): PeerCursor[] {
    return [...of.cursors.values()].map(cursor => ({ ...cursor }));
  }

  #cursor(of: Stored, user: Username): PeerCursor {
    const cursor = of.cursors.get(user);
    if (!cursor) throw new Error(`${user} is not in ${of.id}`);
    return cursor;
  }

  /** A page of what changed after a revision. */
  sync(of: Stored, afterRev: number): SyncPage {
    const above = of.messages.filter(({ rev }) => rev > afterRev).sort((one, other) => one.rev - other.rev);
    const messages = above.slice(0, PAGE);
    const complete = messages.length === above.length;
    const rev = complete ? of.rev : (messages.at(-1)?.rev ?? afterRev);
    return { conversation_id: of.id, messages, members: this.cursors(of), rev, complete };
  }

  /** What a device with these cursors missed, conversation by conversation. */
  missed(cursors: Readonly<Record<ConversationId, number>>): Missed[] {
    return this.existing.map(of => {
      const cursor = cursors[of.id];
      const isReset = cursor !== undefined && cursor > of.rev;
      return { isReset, page: this.#missedOf(of, isReset ? 0 : cursor), receipts: this.#receipts(of) };
    });
  }

  #missedOf(of: Stored, cursor: number | undefined): SyncPage {
    if (cursor !== undefined) return this.sync(of, cursor);
    const above = of.messages.slice(this.#cursor(of, this.me.username).delivered_seq);
    const messages = above.slice(0, PAGE);
    const complete = messages.length === above.length;
    const leftOut = above[messages.length];
    const rev = leftOut ? (of.firstRevs[leftOut.seq - 1] ?? 0) - 1 : of.rev;
    return { conversation_id: of.id, messages, members: this.cursors(of), rev, complete };
  }

  #receipts(of: Stored): ReceiptFrame[] {
    return this.cursors(of).flatMap(cursor => {
      const base = { type: 'read_receipt', conversation_id: of.id, user: cursor.username } as const;
      const delivered = { state: 'delivered', up_to_seq: cursor.delivered_seq, at: cursor.delivered_at ?? '' } as const;
      const read = { state: 'read', up_to_seq: cursor.read_seq, at: cursor.read_at ?? '' } as const;
      return [delivered, read].filter(({ up_to_seq: seq }) => seq > 0).map(receipt => ({ ...base, ...receipt }));
    });
  }

  /** The frames that answer a `hello`. */
  hello(cursors: Readonly<Record<ConversationId, number>>, epoch: string): ServerFrame[] {
    const missed = this.missed(epoch === this.epoch ? cursors : {});
    const frames: ServerFrame[] = [this.welcome()];
    for (const { isReset, page, receipts } of missed) {
      if (isReset) frames.push({ type: 'resync', reason: 'gap', conversation_id: page.conversation_id });
      frames.push(...page.messages.map(message => ({ type: 'message' as const, ...message })), ...receipts);
    }
    return [...frames, this.caughtUp(missed)];
  }

  welcome(): ServerFrame {
    const base = { session_id: 's', user: this.me, heartbeat_ms: 20_000, limits: {}, server_time: this.#now() };
    return { type: 'welcome', epoch: this.epoch, ...base };
  }

  caughtUp(missed: readonly Missed[]): ServerFrame {
    const pages = missed.map(({ page }) => page);
    const more = pages.filter(({ complete }) => !complete).map(page => page.conversation_id);
    return {
      type: 'caught_up',
      replayed: pages.reduce((sum, { messages }) => sum + messages.length, 0),
      cursors: Object.fromEntries(pages.map(page => [page.conversation_id, page.rev])),
      ...(more.length > 0 ? { more } : {}),
    };
  }

  /** Another history: the newest messages of a conversation are lost. */
  restore(lossy: Stored, lost: number): void {
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`;
    const kept = Math.max(1, lossy.messages.length - lost);
    lossy.messages.length = kept;
    lossy.firstRevs.length = kept;
    lossy.rev = Math.max(...lossy.messages.map(({ rev }) => rev));
    for (const cursor of lossy.cursors.values()) {
      cursor.read_seq = Math.min(cursor.read_seq, kept);
      cursor.delivered_seq = Math.min(cursor.delivered_seq, kept);
    }
  }
}
