/** The server's side of sending: it stores each id once, answers late, twice or never, and breaks connections. */

import type { ClientId, ConversationId, Message, SendFrame, ServerFrame } from '../../src/protocol';

/** What a connection tells its tab. */
export interface Line {
  onOpen(): void;
  onFrame(frame: ServerFrame): void;
  onEnd(): void;
}

export class FakeGateway {
  readonly stored: Message[] = [];
  /** Once false every message is answered, soon and well. */
  isMoody = true;
  /** Messages that it refuses for good. */
  refuses: (frame: SendFrame) => boolean = () => false;
  readonly #random: () => number;
  #current: Connection | null = null;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** All tabs are one device: a new connection ends the one before. */
  connect(line: Line): Connection {
    const connection = new Connection(this, line);
    this.after(300, () => {
      if (!connection.isOpen) return;
      this.#current?.end();
      this.#current = connection;
      for (const message of this.stored)
        if (this.isMoody && this.mood() < 0.5) connection.tell({ type: 'message', ...message });
      this.after(50, () => connection.isOpen && line.onOpen());
    });
    return connection;
  }

  get current(): Connection | null {
    return this.#current;
  }

  after(atMostMs: number, action: () => void): void {
    setTimeout(action, Math.ceil(this.#random() * atMostMs));
  }

  mood(): number {
    return this.#random();
  }

  store(frame: SendFrame): { message: Message; duplicate: boolean } {
    const known = this.stored.find(({ id }) => id === frame.id);
    if (known) return { message: known, duplicate: true };
    const conversationId: ConversationId = frame.conversation_id ?? '';
    const seq = this.stored.filter(each => each.conversation_id === conversationId).length + 1;
    const place = { conversation_id: conversationId, seq, rev: seq, message_id: messageIdOf(frame.id) };
    const message = {
      ...place,
      id: frame.id,
      sender: 'ann',
      content: frame.content,
      content_type: 'text/plain',
      sent_at: '',
    };
    this.stored.push(message);
    return { message, duplicate: false };
  }
}

export class Connection {
  isOpen = true;
  readonly #gateway: FakeGateway;
  readonly #line: Line;
  /** Frames are dealt with, and answered, in the order in which they came. */
  #busyUntilMs = 0;

  constructor(gateway: FakeGateway, line: Line) {
    this.#gateway = gateway;
    this.#line = line;
  }

  send(frame: SendFrame): boolean {
    if (!this.isOpen) return false;
    this.#busyUntilMs = Math.max(this.#busyUntilMs, Date.now()) + (this.#gateway.mood() < 0.5 ? 1 : 20);
    setTimeout(() => this.#handle(frame), this.#busyUntilMs - Date.now());
    return true;
  }

  /** What was sent before may still arrive: the tab does not know. */
  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#line.onEnd();
  }

  tell(frame: ServerFrame): void {
    if (this.isOpen) this.#line.onFrame(frame);
  }

  #handle(frame: SendFrame): void {
    const gateway = this.#gateway;
    const isKnown = gateway.stored.some(({ id }) => id === frame.id);
    const mood = gateway.isMoody ? gateway.mood() : 1;
    if (mood < 0.1) return; // lost on the way
    if (!isKnown && gateway.refuses(frame)) this.#refuse(frame, 'blocked');
    else if (mood < 0.25) this.#refuse(frame, 'unavailable');
    else if (mood < 0.4) this.#queue(frame);
    else this.#ack(frame);
  }

  #refuse({ id }: SendFrame, code: string): void {
    const retryable = code !== 'blocked';
    const wait = retryable && this.#gateway.mood() < 0.5 ? { retry_after_ms: 700 } : {};
    this.tell({ type: 'error', re: id, code, detail: '', retryable, ...wait });
  }

  #queue(frame: SendFrame): void {
    const place = { message_id: messageIdOf(frame.id), conversation_id: frame.conversation_id ?? '', at: '' };
    this.tell({ type: 'message_status', ...place, status: 'queued' });
    this.#gateway.after(3_000, () => this.#ack(frame));
  }

  #ack(frame: SendFrame): void {
    const { message, duplicate } = this.#gateway.store(frame);
    if (this.#gateway.isMoody && this.#gateway.mood() < 0.2) return; // the ack is lost
    const { message_id, conversation_id, seq, rev, sent_at } = message;
    const place = { message_id, conversation_id, seq, rev, sent_at };
    this.tell({ type: 'ack', re: frame.id, ...place, status: 'sent', duplicate });
  }
}

function messageIdOf(id: ClientId): string {
  return `m-${id}`;
}
