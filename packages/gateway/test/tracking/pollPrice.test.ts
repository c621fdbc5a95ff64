import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPollPrice } from '../../src/tracking/pollPrice.ts';

const priceOf = (allowance: () => number, share = 0.5) =>
  createPollPrice({ allowancePerSecond: allowance, share, minIntervalMs: 1000 });

/** Polls a second that jobs of these weights make at a price. */
const polled = (weights: readonly number[], price: number) =>
  weights.reduce((sum, weight) => sum + 1000 * Math.min(1 / 1000, weight / Math.sqrt(price)), 0);

describe('the price of a poll', () => {
  it('is at its floor while the allowance is enough for all jobs at the polite interval', () => {
    const price = priceOf(() => 100);
    for (let i = 0; i < 20; i++) price.add(0.001);
    price.tick(1000, 20);
    expect(price.current()).toBe(0.5);
  });

  it('makes jobs poll as often as the share of the allowance allows', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 1e-6, max: 1, noNaN: true }), { minLength: 30, maxLength: 100 }),
        (weights) => {
          const price = priceOf(() => 20);
          for (const weight of weights) price.add(weight);
          price.tick(1000, 10);
          const used = polled(weights, price.current());
          // Weights are grouped, so jobs at the edge of the polite interval are off by less than a group.
          if (price.current() > 0.5) expect(Math.abs(used - 10)).toBeLessThan(2);
          else expect(used).toBeLessThanOrEqual(11);
        },
      ),
    );
  });

  it('rises at once with a burst of jobs, and falls again when they are gone', () => {
    const price = priceOf(() => 100);
    for (let i = 0; i < 50; i++) price.add(0.001);
    price.tick(1000, 50);
    const before = price.current();
    for (let i = 0; i < 10_000; i++) price.add(0.001);
    price.tick(1000, 50);
    expect(polled(Array(10_050).fill(0.001), price.current())).toBeLessThan(55);
    for (let i = 0; i < 10_000; i++) price.remove(0.001);
    price.tick(1000, 50);
    expect(price.current()).toBe(before);
  });

  it('follows the allowance', () => {
    let allowance = 100;
    const price = priceOf(() => allowance);
    for (let i = 0; i < 1000; i++) price.add(0.001);
    price.tick(1000, 50);
    const before = price.current();
    allowance = 10;
    price.tick(1000, 50);
    expect(price.current()).toBeGreaterThan(20 * before);
  });

  it('is corrected by what was really polled, within bounds', () => {
    const weights = Array<number>(1000).fill(0.001);
    const price = priceOf(() => 100);
    for (const weight of weights) price.add(weight);
    price.tick(1000, 50);
    const before = price.current();
    for (let second = 0; second < 60; second++) price.tick(1000, 100);
    expect(price.current()).toBeGreaterThan(1.5 * before);
    expect(price.current()).toBeLessThan(5 * before);
  });

  it('forgets the correction while there is slack', () => {
    const price = priceOf(() => 100);
    for (let i = 0; i < 1000; i++) price.add(0.001);
    price.tick(1000, 50);
    const before = price.current();
    for (let second = 0; second < 60; second++) price.tick(1000, 100);
    for (let i = 0; i < 1000; i++) price.remove(0.001);
    for (let second = 0; second < 200; second++) price.tick(1000, 0);
    expect(price.current()).toBe(0.5);
    for (let i = 0; i < 1000; i++) price.add(0.001);
    price.tick(0, 0);
    expect(price.current() / before).toBeCloseTo(1, 1);
  });

  it('replaces the weight of a job', () => {
    const price = priceOf(() => 10);
    for (let i = 0; i < 1000; i++) price.add(0.001);
    price.tick(1000, 5);
    const before = price.current();
    for (let i = 0; i < 1000; i++) price.replace(0.001, 0.002);
    price.tick(1000, 5);
    expect(price.current() / before).toBeGreaterThan(3);
    expect(price.current() / before).toBeLessThan(5);
  });

  it('is finite for an account that may not be polled at all', () => {
    const price = priceOf(() => 0);
    price.add(0.001);
    price.tick(1000, 0);
    price.tick(0, 0);
    expect(Number.isFinite(price.current())).toBe(true);
  });

  it('does not swing where a job is polled but once in minutes, and more is polled than was wanted', () => {
    // Every job follows the price with its next poll, and batches poll a fifth more jobs than are due.
    const price = priceOf(() => 10);
    const weight = 0.001;
    const due = Array.from({ length: 1000 }, (_, i) => (i * 200) / 1000);
    for (const _ of due) price.add(weight);
    price.tick(0, 0);
    const prices: number[] = [];
    let used = 0;
    for (let second = 0; second < 6000; second++) {
      let polled = 0;
      for (const [job, at] of due.entries()) {
        if (at > second) continue;
        due[job] = second + Math.sqrt(price.current()) / weight / 1000;
        polled += 1.2;
      }
      price.tick(1000, polled);
      if (second < 4000) continue;
      used += polled;
      prices.push(price.current());
    }
    expect(used / 2000).toBeGreaterThan(4.75);
    expect(used / 2000).toBeLessThan(5.25);
    expect(Math.max(...prices) / Math.min(...prices)).toBeLessThan(1.3);
  });
});
