import { describe, expect, it } from 'vitest';
import { createLanes, mayLeaveSome } from '../../src/webhooks/lanes.ts';

const LIMITS = { total: 10, perProject: 4, perLane: 3, perUnprovenLane: 1 };
const of = (lane: string, projectId = 'p') => ({ lane, projectId });

describe('the lanes of a node', () => {
  it('have one place each at first, and more once a delivery succeeded', () => {
    const lanes = createLanes(LIMITS);
    expect(lanes.room()).toEqual({ limit: 5, perLane: 1, perProject: 4, inLane: {}, inProject: {} });
    const leave = lanes.enter(of('a'));
    expect(lanes.room()).toMatchObject({ limit: 5, inLane: { a: 0 }, inProject: { p: 3 } });
    leave(true);
    const next = lanes.enter(of('a'));
    expect(lanes.room()).toMatchObject({ inLane: { a: 2 } });
    lanes.enter(of('a'));
    next(false);
    expect(lanes.room()).toMatchObject({ inLane: { a: 0 }, inProject: { p: 3 } });
  });

  it('are never all taken by a few projects whose receivers are silent', () => {
    const lanes = createLanes({ ...LIMITS, total: 32, perProject: 8 });
    /** Takes whatever the project may have, each in a lane of its own. */
    const takeAll = (project: string): number => {
      for (let taken = 0; ; taken++) {
        const room = lanes.room();
        if (!room || (room.inProject[project] ?? room.perProject) === 0) return taken;
        lanes.enter(of(`${project} ${taken}`, project));
      }
    };
    const taken = Array.from({ length: 6 }, (_, n) => takeAll(`silent ${n}`));
    expect(taken).toEqual([8, 8, 6, 4, 2, 2]);
    for (let n = 0; n < 6; n++) expect(takeAll(`silent ${n}`)).toBe(0);
    expect(takeAll('another')).toBeGreaterThan(0);
  });

  it('leave room for other projects, and none when all places are taken', () => {
    const lanes = createLanes(LIMITS);
    const leaves = Array.from({ length: 5 }, (_, n) => lanes.enter(of(`lane ${n}`)));
    expect(lanes.room()).toMatchObject({ limit: 3, inProject: { p: 0 } });
    for (let n = 0; n < 5; n++) lanes.enter(of(`other ${n}`, `other ${n}`));
    expect([lanes.room(), lanes.inFlight]).toEqual([undefined, 10]);
    leaves[0]?.(true);
    expect(lanes.room()).toMatchObject({ limit: 1 });
  });
});

describe('a claim', () => {
  const room = { limit: 5, perLane: 2, perProject: 4, inLane: { a: 3 }, inProject: { p: 4 } };
  const claimed = (...taken: [lane: string, projectId?: string][]) =>
    taken.map(([lane, projectId]) => ({ delivery: of(lane, projectId) }));

  it('that had room for more has left nothing', () => {
    expect(mayLeaveSome(room, [])).toBe(false);
    expect(mayLeaveSome(room, claimed(['a'], ['a'], ['b']))).toBe(false);
  });

  it.each([
    ['its limit', room, claimed(['a'], ['b'], ['c', 'q'], ['d', 'q'], ['e', 'q'])],
    ['all that a lane may have', room, claimed(['a'], ['a'], ['a'])],
    ['all that a lane with nothing in flight may have', room, claimed(['b'], ['b'])],
    ['all that a project may have', room, claimed(['a'], ['b'], ['c'], ['d'])],
    ['nothing of a lane that is full', { ...room, inLane: { a: 0 } }, []],
    ['nothing of a project that is full', { ...room, inProject: { p: 0 } }, claimed(['b', 'q'])],
  ])('that took %s may have left some', (_, given, taken) => {
    expect(mayLeaveSome(given, taken)).toBe(true);
  });
});
