/** What waits in this browser to be sent: nothing is lost, nothing is doubled, all in order. */

import { type ReadonlySignal, signal } from '@preact/signals';
import type { ClientId, ConversationId, Message, MessageId, SendFrame, ServerFrame, User, Username } from '../protocol';
import type { OutboxEntry } from '../state/model';
import type { Storage } from '../storage/storage';
import type { OutboxChange } from './messages';

export interface OutboxHost {
  readonly me: () => User;
  /** Send a frame now; false: not connected. */
  send(frame: SendFrame): boolean;
  /** An own message is stored: what it became. */
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
  readonly #entries = signal<readonly OutboxEntry[]>([]);

  static async open(_storage: Storage, _host: OutboxHost): Promise<Outbox> {
    return new Outbox();
  }

  get entries(): ReadonlySignal<readonly OutboxEntry[]> {
    return this.#entries;
  }

  async add(_draft: Draft): Promise<OutboxEntry> {
    throw new Error('not built yet');
  }
  async retry(_id: ClientId): Promise<void> {}
  async retryAll(): Promise<void> {}
  async discard(_id: ClientId): Promise<void> {}
  async refresh(): Promise<void> {}
  applyChange(_change: OutboxChange): void {}
  lead(): void {}
  follow(): void {}
  connected(_isConnected: boolean): void {}
  onFrame(_frame: ServerFrame, _isLive: boolean): void {}
  close(): void {}
}
