import { describe, expect, it } from 'vitest';
import { createCallbackReliability } from '../../src/tracking/callbackReliability.ts';

/** The reliability after jobs of which `true` were told by a callback. */
function after(outcomes: readonly boolean[]): number {
  const reliability = createCallbackReliability();
  for (const told of outcomes) told ? reliability.received() : reliability.missed();
  return reliability.current();
}
const times = (count: number, told: boolean) => Array<boolean>(count).fill(told);

describe('the reliability of callbacks', () => {
  it('is nothing until some were received', () => {
    expect(after([])).toBe(0);
    expect(after(times(20, false))).toBe(0);
  });

  it('grows with every callback and stays below one', () => {
    const steps = [1, 5, 20, 100, 10_000].map((count) => after(times(count, true)));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps[0]).toBeLessThan(0.4);
    expect(steps[3]).toBeCloseTo(0.96, 2);
    expect(steps[4]).toBeLessThan(1);
  });

  it('falls fast when callbacks go missing, and recovers with the next ones', () => {
    const good = times(200, true);
    expect(after([...good, ...times(1, false)])).toBeLessThan(0.6);
    expect(after([...good, ...times(5, false)])).toBeLessThan(0.05);
    expect(after([...good, ...times(1, false), true])).toBeGreaterThan(0.85);
  });

  it('is low where only some ends are told', () => {
    expect(after(Array.from({ length: 200 }, (_, i) => i % 2 === 1))).toBeLessThan(0.5);
  });
});
