/** Runs of messages: always without a hole, bounded, and few. */

import type { ConversationId, Message } from '../protocol';
import { keep, put, update, without } from './changes';
import { messageOf, newer } from './messages';
import type { Conversation, Event, Run, State } from './model';

/** So many messages are in a run; growing at one end, it loses at the other. */
export const MAX_RUN = 300;
/** So many of the newest stay of a run that is not looked at any more. */
export const MAX_CLOSED_RUN = 100;
/** So many runs are held: the one that was read or closed least recently goes. */
export const MAX_RUNS = 20;

type Page = Extract<Event, { kind: 'page' }>;

const firstSeq = (run: Run): number | undefined => run.messages[0]?.seq;
const lastSeq = (run: Run): number | undefined => run.messages.at(-1)?.seq;

/** Put a page where it belongs. One that does not adjoin its run, which has changed meanwhile, is not used. */
export function addPage(state: State, page: Page): State {
  const id = page.conversationId;
  const held = state.runs.get(id);
  const run = withPage(held, page);
  if (!run) return state;
  const settled = page.place === 'older' ? run : settledAtEnd(run, state.conversations.get(id));
  const changed = held ? update(held, { ...settled, messages: keep(held.messages, settled.messages) }) : settled;
  return changed === held ? state : { ...state, runs: put(without(state.runs, id), id, changed, MAX_RUNS) };
}

function withPage(held: Run | undefined, page: Page): Run | undefined {
  if (page.place === 'instead') return replaced(held, page);
  if (!held) return undefined;
  return page.place === 'older' ? older(held, page) : newerPage(held, page);
}

/** A page older than what is known by now does not reach the end, unless the last message alone is missing. */
function settledAtEnd(run: Run, conversation: Conversation | undefined): Run {
  if (!run.reachesEnd || !conversation || (lastSeq(run) ?? 0) >= conversation.lastSeq) return run;
  return conversation.lastMessage ? withMessage(run, conversation.lastMessage) : cut(run);
}

function replaced(held: Run | undefined, page: Page): Run {
  const pieces = dense(page.messages.map(messageOf));
  const newest = pieces.at(-1) ?? [];
  const messages = newest.map(message => heldVersion(held, message)).slice(-MAX_RUN);
  const reachesStart = page.reachesStart && pieces.length <= 1 && messages.length === newest.length;
  return { messages, reachesStart, reachesEnd: page.reachesEnd };
}

function older(run: Run, page: Page): Run | undefined {
  const first = firstSeq(run);
  if (first === undefined) return undefined;
  const piece = dense(page.messages.map(messageOf)).at(-1) ?? [];
  const edge = piece.at(-1);
  if (edge && edge.seq < first - 1) return undefined;
  const fresh = piece.filter(message => message.seq < first);
  const isCut = piece.length < page.messages.length;
  return trimmedAtEnd({
    messages: fresh.length > 0 ? [...fresh, ...run.messages] : run.messages,
    reachesStart: page.reachesStart && !isCut,
    reachesEnd: run.reachesEnd,
  });
}

function newerPage(run: Run, page: Page): Run | undefined {
  const last = lastSeq(run);
  if (last === undefined) return undefined;
  const piece = dense(page.messages.map(messageOf))[0] ?? [];
  const edge = piece[0];
  if (edge && edge.seq > last + 1) return undefined;
  const fresh = piece.filter(message => message.seq > last);
  const isCut = piece.length < page.messages.length;
  return trimmedAtStart({
    messages: fresh.length > 0 ? [...run.messages, ...fresh] : run.messages,
    reachesStart: run.reachesStart,
    reachesEnd: page.reachesEnd && !isCut,
  });
}

/** Cut a page into pieces without a hole. */
function dense(messages: readonly Message[]): Message[][] {
  const pieces: Message[][] = [];
  let before: Message | undefined;
  for (const message of messages) {
    const piece = pieces.at(-1);
    if (piece && message.seq === (before?.seq ?? 0) + 1) piece.push(message);
    else pieces.push([message]);
    before = message;
  }
  return pieces;
}

/** What is held already keeps its identity. */
function heldVersion(held: Run | undefined, message: Message): Message {
  const known = held?.messages[message.seq - (firstSeq(held) ?? 0)];
  return known?.message_id === message.message_id ? newer(known, message) : message;
}

/** Let a message take its place in the run of its conversation, if there is one. */
export function addToRun(state: State, message: Message): State {
  const run = state.runs.get(message.conversation_id);
  const changed = run && withMessage(run, message);
  if (!changed || changed === run) return state;
  return { ...state, runs: put(state.runs, message.conversation_id, changed) };
}

/** One further on than the next shows that some are missing between: the run does not reach the end any more. */
function withMessage(run: Run, message: Message): Run {
  const first = firstSeq(run);
  if (first === undefined) {
    if (!run.reachesEnd) return run;
    return { messages: [message], reachesStart: run.reachesStart && message.seq === 1, reachesEnd: true };
  }
  const next = first + run.messages.length;
  if (message.seq < next) {
    const held = run.messages[message.seq - first];
    if (held?.message_id !== message.message_id) return run;
    const version = newer(held, message);
    return version === held ? run : { ...run, messages: run.messages.with(message.seq - first, version) };
  }
  if (!run.reachesEnd) return run;
  if (message.seq > next) return cut(run);
  return trimmedAtStart({ ...run, messages: [...run.messages, message] });
}

const trimmedAtStart = (run: Run): Run =>
  run.messages.length <= MAX_RUN ? run : { ...run, messages: run.messages.slice(-MAX_RUN), reachesStart: false };
const trimmedAtEnd = (run: Run): Run =>
  run.messages.length <= MAX_RUN ? run : { ...run, messages: run.messages.slice(0, MAX_RUN), reachesEnd: false };
const cut = (run: Run): Run => (run.reachesEnd ? { ...run, reachesEnd: false } : run);

/** Something newer may be missing in a run. */
export function cutRun(state: State, id: ConversationId): State {
  const run = state.runs.get(id);
  return run?.reachesEnd ? { ...state, runs: put(state.runs, id, cut(run)) } : state;
}

/** The cursor went on: a run that does not hold all that is known does not reach the end. */
export function settleRun(state: State, id: ConversationId): State {
  const run = state.runs.get(id);
  return run ? update(state, { runs: put(state.runs, id, settledAtEnd(run, state.conversations.get(id))) }) : state;
}

/** Keep the newest of a run that is not looked at any more. */
export function closeRun(state: State, id: ConversationId): State {
  const run = state.runs.get(id);
  if (!run) return state;
  if (!run.reachesEnd) return { ...state, runs: without(state.runs, id) };
  const isLong = run.messages.length > MAX_CLOSED_RUN;
  const kept = isLong ? { ...run, messages: run.messages.slice(-MAX_CLOSED_RUN), reachesStart: false } : run;
  return { ...state, runs: put(without(state.runs, id), id, kept) };
}
