import { describe, expect, it } from 'vitest';
import { transfersOf } from '../../src/cluster/rebalance.ts';

const transfers = (loads: Record<string, number>, node: string) =>
  Object.fromEntries(
    transfersOf(new Map(Object.entries(loads)), Object.keys(loads), node).map(({ to, count }) => [to, count]),
  );

describe('a node with more than its share', () => {
  it('gives each of the others what it lacks', () => {
    expect(transfers({ a: 90, b: 0, c: 0 }, 'a')).toEqual({ b: 30, c: 30 });
    expect(transfers({ a: 80, b: 20, c: 20 }, 'a')).toEqual({ b: 20, c: 20 });
    expect(transfers({ a: 90, b: 30, c: 0 }, 'a')).toEqual({ b: 10, c: 40 });
  });

  it('gives only a part if others give too: together they give no more than is lacking', () => {
    const loads = { a: 100, b: 60, c: 0, d: 0 };
    expect(transfers(loads, 'a')).toEqual({ c: 30, d: 30 });
    expect(transfers(loads, 'b')).toEqual({ c: 10, d: 10 });
  });

  it('gives to a node that owns nothing and is not in the loads', () => {
    expect(transfersOf(new Map([['a', 40]]), ['a', 'b'], 'a')).toEqual([{ to: 'b', count: 20 }]);
  });

  it('does not count tasks of nodes that are dead or shutting down', () => {
    const loads = new Map([
      ['a', 40],
      ['gone', 1000],
    ]);
    expect(transfersOf(loads, ['a', 'b'], 'a')).toEqual([{ to: 'b', count: 20 }]);
  });

  it('keeps what cannot be divided', () => {
    expect(transfers({ a: 21, b: 0, c: 0 }, 'a')).toEqual({ b: 7, c: 7 });
    expect(transfers({ a: 23, b: 0, c: 0 }, 'a')).toEqual({ b: 7, c: 7 });
  });

  it('keeps a surplus of eight tasks, or of a tenth of its share, and gives the rest', () => {
    expect(transfers({ a: 16, b: 0 }, 'a')).toEqual({});
    expect(transfers({ a: 18, b: 0 }, 'a')).toEqual({ b: 9 });
    expect(transfers({ a: 1100, b: 900 }, 'a')).toEqual({});
    expect(transfers({ a: 1102, b: 898 }, 'a')).toEqual({ b: 102 });
  });
});

describe('a node without a surplus', () => {
  it('gives nothing', () => {
    expect(transfers({ a: 90, b: 0 }, 'b')).toEqual({});
    expect(transfers({ a: 50, b: 50 }, 'a')).toEqual({});
    expect(transfers({ a: 90, b: 31, c: 0 }, 'b')).toEqual({});
    expect(transfers({ a: 0 }, 'a')).toEqual({});
  });
});
