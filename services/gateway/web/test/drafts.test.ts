import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Drafts } from '../src/app/drafts';
import { Store } from '../src/app/store';
import type { ConversationView, MemberView, Username } from '../src/protocol';
import type { Conversation } from '../src/state/model';
import { FakeServer } from './support/fake-server';
import { conversation, state, WITH_BEN } from './support/samples';
import { endFakeTimers } from './support/timers';

const ADDRESS = `/api/v1/conversations/${WITH_BEN}/me`;

let server: FakeServer;
let store: Store;
let drafts: Drafts;

function begin(more: Partial<Conversation> = {}): void {
  store = new Store(state([conversation('ben', { lastSeq: 3, ...more })]));
  drafts = new Drafts(store, event => store.dispatch(event));
}

/** What the server has, read anew. */
function read(draft: string): void {
  const person = { delivered_seq: 3, read_seq: 3 };
  const member = (username: Username): MemberView => ({ username, display_name: username, ...person });
  const view: ConversationView = {
    ...{ conversation_id: WITH_BEN, kind: 'direct', rev: 3, last_seq: 3, last_message: null, peer: member('ben') },
    ...{ unread: 0, first_unread_seq: null, members: [member('ann'), member('ben')], draft, ...person },
    ...{ muted: false, pinned: false, archived: false, blocked: false },
  };
  store.dispatch({ kind: 'conversation', view });
}

const held = (): string | undefined => store.conversation(WITH_BEN)?.draft;
const brought = (): unknown[] => server.requests.map(({ body }) => body);

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  begin();
});

afterEach(endFakeTimers);

describe('drafts', () => {
  it('are kept here at once, and brought to the server', async () => {
    drafts.save(WITH_BEN, 'Hello');
    expect(held()).toBe('Hello');
    expect(server.last(ADDRESS)).toMatchObject({ method: 'PATCH', body: { draft: 'Hello' } });
    await server.last().answer({});
    read('from another device');
    expect(held()).toBe('from another device');
  });

  it('stay while the server has an older one', async () => {
    drafts.save(WITH_BEN, 'Hello');
    read('');
    expect(held()).toBe('Hello');
    await server.last().fail();
    read('');
    expect(held()).toBe('Hello');
  });

  it('are brought when the server can be reached again, an empty one too', async () => {
    begin({ draft: 'Hello' });
    drafts.save(WITH_BEN, '');
    await server.last().fail();
    drafts.bringAll();
    await server.last().answer({});
    drafts.bringAll();
    expect(brought()).toEqual([{ draft: '' }, { draft: '' }]);
  });

  it('are brought one after the other, the last one last', async () => {
    for (const draft of ['H', 'He', 'Hello']) drafts.save(WITH_BEN, draft);
    expect(brought()).toEqual([{ draft: 'H' }]);
    await server.last().answer({});
    await server.last().answer({});
    expect(brought()).toEqual([{ draft: 'H' }, { draft: 'Hello' }]);
  });

  it('of a conversation that does not exist yet are kept here alone', () => {
    begin({ lastSeq: 0 });
    drafts.save(WITH_BEN, 'Hello');
    drafts.bringAll();
    expect(server.requests).toEqual([]);
    read('');
    expect(held()).toBe('Hello');
  });

  it('that were sent with the first message are none', () => {
    begin({ lastSeq: 0, draft: 'Hello', isDraftUnsaved: true });
    drafts.save(WITH_BEN, '');
    read('from another device');
    expect(held()).toBe('from another device');
  });
});
