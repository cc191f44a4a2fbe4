/** Made-up values for tests: each function takes what matters to the test, and makes up the rest. */

import type { Message, Profile, Timeline, Username } from '../../src/protocol';
import type { Conversation, Member, OutboxEntry, Run, State } from '../../src/state/model';

export const ANN: Profile = {
  id: 'u-ann',
  username: 'ann',
  display_name: 'Ann',
  settings: { read_receipts: true, typing: true, last_seen: true },
};

/** The direct conversation of Ann and Ben. */
export const WITH_BEN = 'dk-ben';

/** The moment of message 1; each later one is a minute after the one before. */
export const START = Date.parse('2026-11-22T14:01:00.000Z');

export function member(username: Username, more: Partial<Member> = {}): Member {
  return {
    username,
    displayName: username.charAt(0).toUpperCase() + username.slice(1),
    deliveredSeq: 0,
    readSeq: 0,
    deliveredAt: null,
    readAt: null,
    ...more,
  };
}

/** Message `seq` of the conversation with Ben, from him unless the test says otherwise. */
export function message(seq: number, more: Partial<Message> = {}): Message {
  return {
    message_id: `m${seq}`,
    conversation_id: WITH_BEN,
    seq,
    rev: seq,
    sender: 'ben',
    content: `Message ${seq}`,
    content_type: 'text/plain',
    sent_at: new Date(START + (seq - 1) * 60_000).toISOString(),
    ...more,
  };
}

/** A run that is the whole conversation, unless the test says otherwise. */
export function run(messages: readonly Message[], more: Partial<Run> = {}): Run {
  return { messages, reachesStart: true, reachesEnd: true, ...more };
}

/** A direct conversation with `peer`, read to its end. */
export function conversation(peer: Username, more: Partial<Conversation> = {}): Conversation {
  return {
    id: `dk-${peer}`,
    kind: 'direct',
    title: member(peer).displayName,
    peer,
    members: membersOf('ann', peer),
    rev: 0,
    lastSeq: 0,
    lastMessage: null,
    unread: 0,
    firstUnreadSeq: null,
    muted: false,
    pinned: false,
    archived: false,
    draft: '',
    blocked: false,
    isStale: false,
    ...more,
  };
}

export function membersOf(...members: readonly (Username | Member)[]): ReadonlyMap<Username, Member> {
  const whole = members.map(one => (typeof one === 'string' ? member(one) : one));
  return new Map(whole.map(one => [one.username, one]));
}

/** What Ann knows. */
export function state(conversations: readonly Conversation[] = [], more: Partial<State> = {}): State {
  return {
    me: { id: ANN.id, username: ANN.username, display_name: ANN.display_name },
    epoch: 'e1',
    conversations: new Map(conversations.map(one => [one.id, one])),
    cursors: {},
    behind: new Set(),
    told: new Set(),
    heldBack: new Map(),
    early: new Map(),
    runs: new Map(),
    typing: new Map(),
    presence: new Map(),
    retries: new Map(),
    ...more,
  };
}

/** An own message to Ben that waits in this browser. */
export function outboxEntry(order: number, more: Partial<OutboxEntry> = {}): OutboxEntry {
  return {
    id: `c${order}`,
    order,
    conversationId: WITH_BEN,
    to: 'ben',
    content: `Waiting ${order}`,
    replyTo: null,
    seenSeq: null,
    createdAt: new Date(START + 3_600_000 + order * 60_000).toISOString(),
    state: 'queued',
    problem: null,
    ...more,
  };
}

/** The way of one of Ann's messages to Ben, stored and not delivered yet. */
export function timeline(more: Partial<Timeline> = {}): Timeline {
  return {
    message_id: 'm1',
    conversation_id: WITH_BEN,
    seq: 1,
    status: 'sent',
    reason: null,
    accepted_at: '2026-11-22T14:01:00.000Z',
    stored_at: '2026-11-22T14:01:00.040Z',
    recipients: [
      {
        user: 'ben',
        status: 'sent',
        attempts: [],
        retry_count: 0,
        max_retries: 3,
        next_retry_at: null,
        reason: null,
        delivered_at: null,
        read_at: null,
      },
    ],
    ...more,
  };
}
