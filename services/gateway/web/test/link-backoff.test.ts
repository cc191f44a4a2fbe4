import { describe, expect, it } from 'vitest';
import { Backoff } from '../src/link/backoff';

const most = (): number => 1;

describe('backoff', () => {
  it('waits up to twice as long each time, 30 s at most', () => {
    const backoff = new Backoff(most);
    const waits = Array.from({ length: 7 }, () => backoff.ended(0));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(backoff.failures).toBe(7);
  });

  it('spreads the wait over all of it', () => {
    const numbers = [0, 0.25, 0.5];
    const backoff = new Backoff(() => numbers.shift() ?? 1);
    expect([backoff.ended(0), backoff.ended(0), backoff.ended(0)]).toEqual([0, 500, 2_000]);
  });

  it('begins anew after 10 s of connection, and counts that end as no failure', () => {
    const backoff = new Backoff(most);
    for (let n = 0; n < 4; n++) backoff.ended(0);
    backoff.opened(50_000);
    expect(backoff.ended(60_000)).toBe(1_000);
    expect(backoff.failures).toBe(0);
    expect(backoff.ended(61_000)).toBe(2_000);
    expect(backoff.failures).toBe(1);
  });

  it('counts a connection that breaks before that as failed', () => {
    const backoff = new Backoff(most);
    backoff.ended(0);
    backoff.opened(1_000);
    expect(backoff.ended(10_999)).toBe(2_000);
    expect(backoff.failures).toBe(2);
  });

  it('forgets when it opened', () => {
    const backoff = new Backoff(most);
    backoff.opened(0);
    backoff.ended(1_000);
    expect(backoff.ended(100_000)).toBe(2_000);
  });
});
