/** What is known after something happened. Pure: reads no clock, changes nothing it is given. */

import type { ServerFrame } from '../protocol';
import { addMessage, addView, begin, dropConversation, keepBelongings, list } from './conversations';
import { addLive, addStored, addSynced, catchUp, resync, welcome } from './cursors';
import { messageOf } from './messages';
import type { Event, State } from './model';
import { disconnect, expireTyping, noteRetry, see, stopTyping, type } from './people';
import { addCursors, addReceipt } from './receipts';
import { addPage, closeRun } from './runs';

export { initial } from './initial';

/** Let something happen. The same object comes back where it changes nothing. */
export function reduce(state: State, event: Event): State {
  switch (event.kind) {
    case 'listed':
      return list(state, event);
    case 'conversation':
      return addView(state, event.view);
    case 'page':
      return addPage(addCursors(state, event.conversationId, event.members), event);
    case 'synced':
      return addSynced(state, event);
    case 'frame':
      return takeFrame(state, event.frame, event.isLive, event.nowMs);
    case 'stored':
      return event.isLive ? addLive(state, event.message) : addStored(state, event.message);
    case 'kept':
      return keepBelongings(state, event);
    case 'begun':
      return begin(state, event);
    case 'gone':
      return dropConversation(state, event.conversationId);
    case 'closed':
      return closeRun(state, event.conversationId);
    case 'tick':
      return expireTyping(state, event.nowMs);
    case 'disconnected':
      return disconnect(state);
  }
}

/** Frames that only their owner understands (an `ack`, a `sync_page`) become events of their own. */
function takeFrame(state: State, frame: ServerFrame, isLive: boolean, nowMs: number): State {
  switch (frame.type) {
    case 'welcome':
      return welcome(state, frame);
    case 'caught_up':
      return catchUp(state, frame);
    case 'message': {
      const message = messageOf(frame);
      const heard = stopTyping(state, message.conversation_id, message.sender);
      return isLive ? addLive(heard, message) : addMessage(heard, message);
    }
    case 'message_status':
      return noteRetry(state, frame);
    case 'typing':
      return type(state, frame, nowMs);
    case 'read_receipt':
      return addReceipt(state, frame);
    case 'user_status':
      return see(state, frame);
    case 'resync':
      return resync(state, frame, isLive);
    default:
      return state;
  }
}
