import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cellOf,
  cellOfTask,
  cellsOf,
  firstTable,
  MOST_CELLS,
  type Table,
  taskIdIn,
  withCells,
  withPinned,
} from '../scale/router.ts';
import { createWorld } from '../scale/world.ts';

const PROJECTS = Array.from({ length: 5000 }, (_, index) => `project-${index}`);
const upTo = (count: number) => Array.from({ length: count }, (_, tag) => tag);
const movedBy = (before: Table, after: Table) =>
  PROJECTS.filter((project) => cellOf(before, project) !== cellOf(after, project));

describe('the table of cells', () => {
  it.each([
    [4, 1],
    [10, 1],
    [10, 5],
    [40, 3],
  ])('%d cells and %d more: their share of the projects moves, and only to them', (cells, more) => {
    const before = firstTable(upTo(cells));
    const after = withCells(before, upTo(cells + more));
    const moved = movedBy(before, after);
    for (const project of moved) expect(cellOf(after, project)).toBeGreaterThanOrEqual(cells);
    const share = more / (cells + more);
    const deviation = Math.sqrt((share * (1 - share)) / PROJECTS.length);
    expect(Math.abs(moved.length / PROJECTS.length - share)).toBeLessThan(5 * deviation);
  });

  it('moves only the projects of a cell that goes, to all others', () => {
    const before = firstTable(upTo(10));
    const after = withCells(before, upTo(10).slice(1));
    const moved = movedBy(before, after);
    expect(moved).toEqual(PROJECTS.filter((project) => cellOf(before, project) === 0));
    expect(new Set(moved.map((project) => cellOf(after, project)))).toEqual(new Set(upTo(10).slice(1)));
  });

  it('keeps a pinned project where it is, and knows where it was', () => {
    const first = firstTable(upTo(4));
    const home = cellOf(first, 'a');
    const away = (home + 1) % 4;
    const table = withCells(withPinned(first, 'a', away), upTo(9));
    expect(cellOf(table, 'a')).toBe(away);
    expect(cellsOf(table, 'a')).toEqual(expect.arrayContaining([home, away]));
  });

  it('puts the cell into the id, which stays an id', () => {
    for (const tag of [0, 1, 255, 256, MOST_CELLS - 1]) {
      const id = taskIdIn(tag);
      expect(cellOfTask(id)).toBe(tag);
      expect(id).toMatch(/^video_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    }
  });
});

const ROUTERS = 3;
const aProject = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
const aRouter = fc.nat({ max: ROUTERS - 1 });
const aTag = fc.nat({ max: 7 });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('submit'),
      router: aRouter,
      project: aProject,
      key: fc.option(fc.constantFrom('k', 'l'), { nil: undefined }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ does: fc.constant('deliver') }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('pin'), project: aProject, tag: aTag }) },
  {
    weight: 1,
    arbitrary: fc.record({ does: fc.constant('cells'), cells: fc.uniqueArray(aTag, { minLength: 1 }) }),
  },
);

it('whatever moves, and whoever knows of it late: each project has one cell at most, each id and each list is complete, and a key makes one task', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const world = createWorld([0, 1, 2], ROUTERS);
      const tasks = new Map<string, string>();
      const byKey = new Map<string, string>();
      for (const one of steps) {
        if (one.does === 'deliver') world.deliver();
        if ('tag' in one) world.change((table) => withPinned(table, one.project, one.tag));
        if ('cells' in one) world.change((table) => withCells(table, one.cells));
        if ('router' in one) {
          const id = world.submit(one.router, one.project, one.key);
          if (id !== undefined) tasks.set(id, one.project);
          if (id !== undefined && one.key !== undefined) {
            const name = `${one.project} ${one.key}`;
            expect(byKey.get(name) ?? id).toBe(id);
            byKey.set(name, id);
          }
        }
        for (const project of ['a', 'b', 'c', 'd', 'e', 'f'])
          expect(world.takers(project).length).toBeLessThanOrEqual(1);
        for (const [id, project] of tasks) expect(world.query(id)).toBe(project);
      }
      for (let router = 0; router < ROUTERS; router++)
        for (const project of ['a', 'b', 'c', 'd', 'e', 'f']) {
          const own = [...tasks].filter(([, of]) => of === project).map(([id]) => id);
          expect(world.list(router, project).sort()).toEqual(own.sort());
        }
      while (world.deliver());
      for (const project of ['a', 'b']) expect(world.takers(project)).toHaveLength(1);
    }),
  );
});
