import { afterEach, expect, test, vi } from 'vitest';
import type { OutboxEntry, RetryState } from '../src/state/model';
import { clock } from '../src/text/format';
import { FakeClient } from './support/fake-client';
import { after, button, click, only, showPane, textsOf } from './support/pane';
import { conversation, member, membersOf, message, outboxEntry, run, timeline, WITH_BEN } from './support/samples';

const at = (time: string): string => clock(time, 'en-US');

afterEach(() => vi.restoreAllMocks());

function withOwn(count: number, ben: Partial<ReturnType<typeof member>> = {}): FakeClient {
  const members = membersOf('ann', member('ben', ben));
  const client = new FakeClient([conversation('ben', { lastSeq: count, members })]);
  const own = Array.from({ length: count }, (_, index) => message(index + 1, { sender: 'ann' }));
  client.show(WITH_BEN, run(own));
  return client;
}

function withWaiting(...entries: OutboxEntry[]): FakeClient {
  const client = withOwn(1);
  client.outbox.value = entries;
  return client;
}

const ticks = (root: ParentNode): (string | null)[] =>
  [...root.querySelectorAll('.message [role=img]')].map(tick => tick.getAttribute('aria-label'));

test('ticks say how far an own message is, and when', async () => {
  const readAt = '2026-11-22T15:30:00.000Z';
  const deliveredAt = '2026-11-22T15:40:00.000Z';
  const client = withOwn(4, { readSeq: 2, readAt, deliveredSeq: 3, deliveredAt });
  const root = await showPane(client);
  expect(ticks(root)).toEqual([
    `Read, sent ${at('2026-11-22T14:01:00Z')}`,
    `Read ${at(readAt)}`,
    `Delivered ${at(deliveredAt)}`,
    `Sent ${at('2026-11-22T14:04:00Z')}`,
  ]);
});

test('ticks of different states have different shapes', async () => {
  const client = withOwn(3, { readSeq: 1, deliveredSeq: 2 });
  client.outbox.value = [outboxEntry(1), outboxEntry(2, { state: 'failed' })];
  const root = await showPane(client);
  const shapes = [...root.querySelectorAll('.message [role=img]')].map(tick => tick.innerHTML);
  expect(shapes).toHaveLength(5);
  expect(new Set(shapes).size).toBe(5);
});

test('a receipt moves the ticks on', async () => {
  const client = withOwn(1);
  const root = await showPane(client);
  expect(only(root, '.message').dataset['state']).toBe('sent');
  const ben = member('ben', { deliveredSeq: 1, deliveredAt: '2026-11-22T15:00:00.000Z' });
  await after(() => client.put(conversation('ben', { lastSeq: 1, members: membersOf('ann', ben) })));
  expect(only(root, '.message').dataset['state']).toBe('delivered');
});

test('messages of others have no ticks', async () => {
  const client = new FakeClient([conversation('ben', { lastSeq: 1 })]);
  client.show(WITH_BEN, run([message(1)]));
  expect(ticks(await showPane(client))).toEqual([]);
});

test('what waits here says whether the server has it', async () => {
  const root = await showPane(withWaiting(outboxEntry(1), outboxEntry(2, { state: 'accepted' })));
  expect(ticks(root).slice(1)).toEqual([
    `Waiting to be sent ${at(outboxEntry(1).createdAt)}`,
    `On its way ${at(outboxEntry(2).createdAt)}`,
  ]);
});

test.each([
  ['blocked', 'Not sent: you and Ben can’t write to each other now.'],
  ['not_found', 'Not sent: Ben can’t be found.'],
  ['too_large', 'Not sent: it is too long.'],
  ['unsupported', 'Not sent. Only plain text is taken.'],
])('a refusal (%s) is told in words', async (code, words) => {
  const problem = { code, detail: 'Only plain text is taken.' };
  const root = await showPane(withWaiting(outboxEntry(1, { state: 'failed', problem })));
  expect(only(root, '.message-problem').textContent).toBe(words);
});

test('a refused message can be tried again, deleted and copied', async () => {
  const client = withWaiting(outboxEntry(1, { state: 'failed', problem: { code: 'internal', detail: 'Sorry.' } }));
  const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
  const root = await showPane(client);
  await click(button(root, 'Copy text'));
  expect(writeText).toHaveBeenCalledWith('Waiting 1');
  await click(button(root, 'Try again'));
  expect(client.retry).toHaveBeenCalledWith('c1');
  await click(button(root, 'Delete'));
  expect(client.discard).toHaveBeenCalledWith('c1');
});

test('several refused messages can be tried again at once, in their order', async () => {
  const failed = [1, 2, 3].map(order => outboxEntry(order, { state: 'failed' }));
  const client = withWaiting(...failed, outboxEntry(4), outboxEntry(5, { state: 'failed', conversationId: 'other' }));
  const root = await showPane(client);
  await click(button(root, 'Try all 3 again'));
  expect(client.retry.mock.calls).toEqual([['c1'], ['c2'], ['c3']]);
});

test.each<[string, Partial<RetryState>, string]>([
  ['retrying', { nextRetryAt: '2026-11-22T14:05:00.000Z' }, `: 2 of 3 tries, next at ${at('2026-11-22T14:05:00Z')}`],
  ['retrying', { nextRetryAt: null }, ': try 2 of 3 now'],
])('whom a message does not reach is told under the last one (%s)', async (status, more, end) => {
  const client = withOwn(3);
  const retry = { status, upToSeq: 2, retryCount: 2, maxRetries: 3, nextRetryAt: null, reason: null, ...more };
  client.set({ retries: new Map([[WITH_BEN, new Map([['ben', retry as RetryState]])]]) });
  const root = await showPane(client);
  const note = only(root, '.retry-note');
  expect(note.closest('.message')?.getAttribute('data-key')).toBe('m2');
  expect(note.textContent).toBe(`Ben has not got this yet${end}`);
});

test('after the last try one can be made at once', async () => {
  const client = withOwn(2);
  const retry: RetryState = {
    status: 'failed',
    upToSeq: 2,
    retryCount: 3,
    maxRetries: 3,
    nextRetryAt: null,
    reason: 'no_device',
  };
  client.set({ retries: new Map([[WITH_BEN, new Map([['ben', retry]])]]) });
  const root = await showPane(client);
  expect(only(root, '.retry-note span').textContent).toBe('Will be delivered when Ben is back');
  await click(button(root, 'Try now'));
  expect(client.redrive).toHaveBeenCalledWith('m2');
});

test('the details of an own message tell its way', async () => {
  const client = withOwn(1);
  const [ben] = timeline().recipients;
  if (!ben) throw new Error('a timeline has a recipient');
  client.timeline.mockResolvedValue(
    timeline({
      recipients: [
        {
          ...ben,
          status: 'failed',
          attempts: [
            { at: '2026-11-22T14:02:00.000Z', attempt: 1, outcome: 'retrying' },
            { at: '2026-11-22T14:04:00.000Z', attempt: 2, outcome: 'failed' },
          ],
        },
      ],
    }),
  );
  const root = await showPane(client);
  await click(only(root, '.meta'));
  expect(client.timeline).toHaveBeenCalledWith('m1');
  expect(textsOf(root, 'dialog dt')).toEqual(['Accepted', 'Sent', 'Try 1', 'Try 2', 'Delivered', 'Read']);
  expect(textsOf(root, 'dialog dd').slice(-2)).toEqual(['Not yet', 'Not yet']);
  expect(only(root, 'dialog .retry-note').textContent).toContain('Will be delivered when Ben is back');
});

test('details that can’t be loaded can be asked for again', async () => {
  const client = withOwn(1);
  client.timeline.mockRejectedValueOnce(new Error('away'));
  const root = await showPane(client);
  await click(only(root, '.meta'));
  expect(only(root, 'dialog').textContent).toContain('The details could not be loaded.');
  await click(button(only(root, 'dialog'), 'Try again'));
  expect(textsOf(root, 'dialog dt')).toContain('Delivered');
});

test('the details of what waits here say that it waits', async () => {
  const client = withWaiting(outboxEntry(1));
  const root = await showPane(client);
  await click(only(root, '.is-queued .meta'));
  expect(only(root, 'dialog').textContent).toContain('It waits in this browser');
  expect(client.timeline).not.toHaveBeenCalled();
});

test('details follow what happens to the message', async () => {
  const client = withOwn(1);
  const root = await showPane(client);
  await click(only(root, '.meta'));
  expect(client.timeline).toHaveBeenCalledTimes(1);
  const ben = member('ben', { deliveredSeq: 1 });
  await after(() => client.put(conversation('ben', { lastSeq: 1, members: membersOf('ann', ben) })));
  expect(client.timeline).toHaveBeenCalledTimes(2);
});
