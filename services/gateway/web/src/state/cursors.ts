/** The `rev` up to which each conversation is known: live frames, holes between them, and what fills these. */

import type { CaughtUpFrame, ConversationId, Message, ResyncFrame, WelcomeFrame } from '../protocol';
import { add, put, remove, same, update, without } from './changes';
import { addMessage, addUnknown } from './conversations';
import { initial } from './initial';
import type { Event, State } from './model';
import { addCursors, newMember } from './receipts';
import { cutRun, settleRun } from './runs';

/** So many live messages of a conversation wait above a hole; what comes then is fetched. */
export const MAX_HELD_BACK = 100;
/** In so many conversations. */
export const MAX_HOLES = 100;

type Synced = Extract<Event, { kind: 'synced' }>;

/** Take in a live message. One above a hole waits until the hole is filled. */
export function addLive(state: State, message: Message): State {
  const { conversation_id: id, rev } = message;
  const based = withBase(state, message);
  const cursor = based.cursors[id] ?? 0;
  if (rev <= cursor) return addMessage(based, message);
  if (rev === cursor + 1) return goOn(moved(addMessage(based, message), id, rev), id);
  return holdBack(update(based, { behind: add(based.behind, id) }), message);
}

/** A conversation that has no cursor yet begins with what the list knows of it, else with its first live message. */
function withBase(state: State, { conversation_id: id, rev }: Message): State {
  if (id in state.cursors) return state;
  const conversation = state.conversations.get(id);
  const isKnown = conversation !== undefined && !conversation.isStale;
  return isKnown ? settle(moved(state, id, conversation.rev), id, conversation.rev) : moved(state, id, rev - 1);
}

/**
 * Take in an own message that was stored while what was missed still comes: then the cursor may go on to it. Where some
 * are missing before it, it waits for them, and is shown meanwhile.
 */
export function addStored(state: State, message: Message): State {
  return holdBack(isNext(state, message) ? addMessage(state, message) : state, message);
}

function isNext(state: State, { conversation_id: id, seq }: Message): boolean {
  const run = state.runs.get(id);
  const lastSeq = state.conversations.get(id)?.lastSeq ?? 0;
  return seq <= 1 + (run?.reachesEnd ? Math.min(lastSeq, run.messages.at(-1)?.seq ?? 0) : lastSeq);
}

function moved(state: State, id: ConversationId, rev: number): State {
  return state.cursors[id] === rev ? state : { ...state, cursors: { ...state.cursors, [id]: rev } };
}

function holdBack(state: State, message: Message): State {
  const { conversation_id: id, rev } = message;
  const held = state.heldBack.get(id) ?? [];
  const place = held.findLastIndex(other => other.rev <= rev) + 1;
  if (held[place - 1]?.rev === rev) return state;
  if (held.length >= MAX_HELD_BACK || (held.length === 0 && state.heldBack.size >= MAX_HOLES)) {
    return update(state, { behind: add(state.behind, id), told: add(state.told, id) });
  }
  return { ...state, heldBack: put(state.heldBack, id, held.toSpliced(place, 0, message)) };
}

/** The cursor moved: take in what waits and follows on it. */
function goOn(state: State, id: ConversationId): State {
  let changed = state;
  let left = state.heldBack.get(id) ?? [];
  for (let next = left[0]; next && next.rev <= (changed.cursors[id] ?? 0) + 1; next = left[0]) {
    changed = moved(addMessage(changed, next), id, Math.max(next.rev, changed.cursors[id] ?? 0));
    left = left.slice(1);
  }
  if (left.length > 0)
    return update(changed, { heldBack: put(changed.heldBack, id, left), behind: add(changed.behind, id) });
  const behind = changed.told.has(id) ? changed.behind : remove(changed.behind, id);
  return update(changed, { heldBack: without(changed.heldBack, id), behind });
}

/**
 * What was missed has come. All conversations of the user are named: one of which only the cursor is known, and that is
 * another than the last time, is to be fetched (its new messages had arrived at another device).
 */
export function catchUp(state: State, { cursors, more = [] }: CaughtUpFrame): State {
  const isFirst = Object.keys(state.cursors).length === 0;
  let changed = update(state, {
    cursors: isSame(state.cursors, cursors) ? state.cursors : cursors,
    behind: same(state.behind, more),
    told: same(state.told, more),
  });
  for (const [id, cursor] of Object.entries(cursors)) {
    if (state.cursors[id] !== cursor) changed = settle(isFirst ? changed : addUnknown(changed, id), id, cursor);
  }
  for (const id of changed.heldBack.keys()) changed = goOn(changed, id);
  return changed;
}

const isSame = (one: State['cursors'], other: State['cursors']): boolean =>
  Object.keys(one).length === Object.keys(other).length && Object.entries(one).every(([id, rev]) => other[id] === rev);

/** All up to `rev` has come; where that is not so, because another device had it already, it is to be fetched. */
function settle(state: State, id: ConversationId, rev: number): State {
  const conversation = state.conversations.get(id);
  if (!conversation) return cutRun(state, id);
  if (conversation.rev >= rev) return settleRun(state, id);
  const stale = { ...conversation, rev, isStale: true };
  return cutRun({ ...state, conversations: put(state.conversations, id, stale) }, id);
}

/** Take in a page of what changed after the cursor. */
export function addSynced(state: State, page: Synced): State {
  const { conversationId: id, rev, complete } = page;
  let changed = state;
  for (const message of page.messages.toSorted((one, other) => one.seq - other.seq))
    changed = addMessage(changed, message);
  changed = addCursors(changed, id, page.members);
  // One that is new here, and of which nothing comes, is left to `caught_up`.
  if (changed.conversations.has(id) || id in changed.cursors) {
    changed = moved(changed, id, Math.max(rev, changed.cursors[id] ?? 0));
  }
  if (complete) changed = settle(update(changed, { told: remove(changed.told, id) }), id, rev);
  else changed = update(changed, { told: add(changed.told, id), behind: add(changed.behind, id) });
  return goOn(changed, id);
}

/**
 * A conversation is to be fetched. Before `caught_up` its cursor was above what the server has: then nothing held of it
 * is certain, and what there is comes.
 */
export function resync(state: State, { conversation_id: id }: ResyncFrame, isLive: boolean): State {
  if (id === undefined) return state;
  if (isLive) return update(state, { behind: add(state.behind, id), told: add(state.told, id) });
  const conversation = state.conversations.get(id);
  const changed = { ...moved(state, id, 0), runs: without(state.runs, id), heldBack: without(state.heldBack, id) };
  if (!conversation) return changed;
  const names = [...conversation.members.values()];
  const members = new Map(names.map(({ username, displayName }) => [username, newMember(username, displayName)]));
  const nothing = { rev: 0, lastSeq: 0, lastMessage: null, unread: 0, firstUnreadSeq: null, isStale: true };
  return { ...changed, conversations: put(state.conversations, id, { ...conversation, members, ...nothing }) };
}

/** Another epoch is another history: nothing that is held holds. */
export function welcome(state: State, { user, epoch }: WelcomeFrame): State {
  if (state.epoch !== '' && state.epoch !== epoch) return { ...initial(user), epoch };
  return update(state, { epoch });
}
