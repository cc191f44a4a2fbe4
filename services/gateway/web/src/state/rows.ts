/** The rows of a list of messages. */

import type { ConversationId, Message, Time, Username } from '../protocol';
import { dayOf as localDayOf } from '../text/format';
import { keep } from './changes';
import type { OutboxEntry, Run, State } from './model';

/** Messages of one author that are nearer than this belong together. */
const GROUP_MS = 5 * 60_000;
const NOTHING: Run = { messages: [], reachesStart: false, reachesEnd: true };

export type Row =
  /** `day`: the local day, as `dayOf` writes it. */
  | { readonly kind: 'day'; readonly key: string; readonly day: string }
  /** `count`: messages of others from here on; null where the run does not reach the end. */
  | { readonly kind: 'unread'; readonly key: string; readonly count: number | null }
  | MessageRow
  | WaitingRow;

/** `key` of an own message is its client id, so that a row stays the same when its message is stored. */
export interface MessageRow {
  readonly kind: 'message';
  readonly key: string;
  readonly message: Message;
  readonly mine: boolean;
  /** First, and last, of the messages of one author that belong together. */
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

export interface WaitingRow {
  readonly kind: 'waiting';
  readonly key: string;
  readonly entry: OutboxEntry;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** What rows are made from, beside the state. */
export interface RowsInput {
  /** All that waits in this browser, in order. */
  readonly outbox: readonly OutboxEntry[];
  /** The first unread message when the conversation was opened. */
  readonly dividerSeq: number | null;
  /** The rows of before: those that say the same stay the same objects, the array too. */
  readonly previous?: readonly Row[];
  readonly dayOf?: (time: Time) => string;
}

type Body = Omit<MessageRow, 'isFirst' | 'isLast'> | Omit<WaitingRow, 'isFirst' | 'isLast'>;

/** The rows of a conversation: its run, and at the end what is held back and what waits in this browser. */
export function rows(state: State, id: ConversationId, input: RowsInput): readonly Row[] {
  const { previous, dividerSeq, dayOf = localDayOf } = input;
  const me = state.me.username;
  const run = state.runs.get(id) ?? NOTHING;
  const bodies = bodiesOf(state, id, run, input.outbox);
  const dividerAt = run.messages.length > 0 ? dividerIndex(run, bodies, dividerSeq, me) : -1;
  const days = daysOf(bodies, dayOf);
  const known = new Map(previous?.map(row => [row.key, row]));
  const made: Row[] = [];
  const begins = (index: number): boolean => {
    const [body, before] = [bodies[index], bodies[index - 1]];
    if (!body || !before || index === dividerAt || days[index] !== days[index - 1]) return true;
    return !belongTogether(before, body, me);
  };
  for (const [index, body] of bodies.entries()) {
    const day = days[index] ?? '';
    if (day !== days[index - 1]) made.push(same(known, { kind: 'day', key: `day-${day}`, day }));
    if (index === dividerAt) {
      made.push(same(known, { kind: 'unread', key: 'unread', count: countFrom(run, bodies, index) }));
    }
    made.push(same(known, { ...body, isFirst: begins(index), isLast: begins(index + 1) }));
  }
  return keep(previous, made);
}

/** The day of each. Clocks of servers differ: a day that began does not end by an earlier time. */
function daysOf(bodies: readonly Body[], dayOf: (time: Time) => string): string[] {
  let latest = '';
  return bodies.map(body => {
    const day = dayOf(timeOf(body));
    latest = day > latest ? day : latest;
    return latest;
  });
}

/** What stands above a hole is shown too: an own message does not vanish while the hole is filled. */
function bodiesOf(state: State, id: ConversationId, run: Run, outbox: readonly OutboxEntry[]): Body[] {
  const me = state.me.username;
  const last = run.messages.at(-1)?.seq ?? 0;
  const above = run.reachesEnd ? (state.heldBack.get(id) ?? []).filter(({ seq }) => seq > last) : [];
  const bodies: Body[] = [...run.messages, ...above].map(message => {
    const mine = message.sender === me;
    return { kind: 'message', key: (mine && message.id) || message.message_id, message, mine };
  });
  if (!run.reachesEnd) return bodies;
  const stored = new Set(bodies.map(({ key }) => key));
  for (const entry of outbox) {
    if (entry.conversationId === id && !stored.has(entry.id)) bodies.push({ kind: 'waiting', key: entry.id, entry });
  }
  return bodies;
}

/** The first message of another from the divider on, if the run goes back that far. */
function dividerIndex(run: Run, bodies: readonly Body[], dividerSeq: number | null, me: Username): number {
  if (dividerSeq === null) return -1;
  if (!run.reachesStart && (run.messages[0]?.seq ?? 0) > dividerSeq) return -1;
  return bodies.findIndex(
    body => body.kind === 'message' && body.message.seq >= dividerSeq && body.message.sender !== me,
  );
}

function countFrom(run: Run, bodies: readonly Body[], index: number): number | null {
  if (!run.reachesEnd) return null;
  return bodies.slice(index).filter(body => body.kind === 'message' && !body.mine).length;
}

const timeOf = (body: Body): Time => (body.kind === 'message' ? body.message.sent_at : body.entry.createdAt);
const senderOf = (body: Body, me: Username): Username => (body.kind === 'message' ? body.message.sender : me);

function belongTogether(one: Body, next: Body, me: Username): boolean {
  if (senderOf(one, me) !== senderOf(next, me)) return false;
  return Math.abs(Date.parse(timeOf(next)) - Date.parse(timeOf(one))) < GROUP_MS;
}

/** The row of before, if it says the same. */
function same(known: ReadonlyMap<string, Row>, row: Row): Row {
  const held = known.get(row.key);
  if (held?.kind !== row.kind) return row;
  const isSame = Object.entries(row).every(([name, value]) => held[name as keyof Row] === value);
  return isSame ? held : row;
}
