import { expect, test } from 'vitest';
import { isAsked, parseArguments, UsageError } from '../mutants/arguments.ts';
import type { TestFile } from '../mutants/coverage.ts';
import { instrument, type Mutant } from '../mutants/instrument.ts';
import { createPlanner } from '../mutants/plan.ts';
import { sample, scoreOf } from '../mutants/score.ts';

const FILE = 'packages/gateway/src/store/rows.ts';
const mutantsOf = async (code: string) => (await instrument(new Map([[FILE, code]]))).mutants;
const originals = async (code: string) => (await mutantsOf(code)).map(({ original }) => original);

test('the interval of a score is the one that Wilson gives', () => {
  // Newcombe 1998, table I: 81 of 263, 15 of 148 and 0 of 20.
  const bounds = ([killed, total]: readonly [number, number]) => {
    const { low, high } = scoreOf(killed, total);
    return [low.toFixed(4), high.toFixed(4)];
  };
  expect(bounds([81, 263])).toEqual(['0.2553', '0.3662']);
  expect(bounds([15, 148])).toEqual(['0.0624', '0.1605']);
  expect(bounds([0, 20])).toEqual(['0.0000', '0.1611']);
});

test('a sample is the same for its seed, holds nothing twice, and reaches everything', () => {
  const values = Array.from({ length: 50 }, (_, index) => index);
  expect(sample(values, 10, 7)).toEqual(sample(values, 10, 7));
  expect(sample(values, 10, 7)).not.toEqual(sample(values, 10, 8));
  expect(sample(values, 99, 7).toSorted((a, b) => a - b)).toEqual(values);
});

test('words for people count for nothing, codes and SQL do', async () => {
  expect(await originals("log.warn({ event: 'a' }, 'it has gone wrong');")).not.toContain(
    "'it has gone wrong'",
  );
  expect(await originals("throw new OnetakeError('a_code', 'two words');")).toEqual(["'a_code'"]);
  expect(await originals("const REASONS = { EROFS: 'the file system is read-only' };")).not.toContain(
    "'the file system is read-only'",
  );
  expect(await originals("db.prepare('select id from tasks');")).toContain("'select id from tasks'");
  expect(await originals("const part = 'from tasks order by id';")).toContain("'from tasks order by id'");
  expect(await originals("const part = 'id in (select id) = true';")).toContain("'id in (select id) = true'");
  expect(await originals("const told = 'this is not sent from here';")).toEqual([]);
  expect(await originals('const DAY_MS = 24 * 60 * 60_000;')).toEqual([]);
  expect(await originals('const later = now + 60_000;')).toEqual(['now + 60_000']);
});

test('a mutant keeps its key where lines are added above it', async () => {
  const keys = async (code: string) => (await mutantsOf(code)).map(({ key }) => key);
  const code = 'export const twice = (n: number) => n + n;\nexport const again = (n: number) => n + n;\n';
  const before = await keys(code);
  expect(new Set(before).size).toBe(before.length);
  expect(await keys(`// A comment.\n\n${code}`)).toEqual(before);
});

const mutant = (key: string): Mutant => ({
  id: '1',
  key: `${FILE}|${key}`,
  file: FILE,
  line: 1,
  code: 'true',
  mutator: 'BooleanLiteral',
  original: 'true',
  replacement: 'false',
});

const testFile = (
  file: string,
  tests: Record<string, number>,
  reached: Record<string, string[]>,
): TestFile => ({
  file,
  hash: '',
  overheadMs: 0,
  failed: false,
  tests,
  reached: new Map(
    Object.entries(reached).map(([name, keys]) => [name, new Set(keys.map((key) => `${FILE}|${key}`))]),
  ),
});

test('a mutant is judged by the tests that reach it, the near and quick ones first, within the budget', () => {
  const near = testFile(
    'packages/gateway/test/store/rows.test.ts',
    { a: 100, b: 100 },
    { a: ['x'], b: ['y'] },
  );
  const far = testFile('packages/gateway/test/api/x.test.ts', { a: 100, b: 50 }, { '': ['x'] });
  const slow = testFile('packages/gateway/test/engine/x.test.ts', { a: 90_000 }, { a: ['x'] });
  const planner = createPlanner([slow, far, near], 60_000);
  const { batches, leftOut } = planner.plan(mutant('x'));
  expect(batches.map(({ file, tests }) => [file, tests])).toEqual([
    [near.file, ['a']],
    // Reached by its imports, so every test may notice.
    [far.file, ['a', 'b']],
  ]);
  expect(leftOut).toBe(1);
  for (let kill = 0; kill < 10; kill++) planner.killed(mutant('x'), far.file);
  expect(planner.plan(mutant('x')).batches[0]?.file).toBe(far.file);
});

test('a mutant that the coverage does not know yet is judged by the tests that reach its file', () => {
  const reaching = testFile('packages/gateway/test/store/rows.test.ts', { a: 1, b: 1 }, { a: ['x'] });
  const { batches } = createPlanner([reaching], 1000).plan(mutant('new'));
  expect(batches.map(({ tests }) => tests)).toEqual([['a']]);
});

test('what to mutate is written as files, folders or lines', () => {
  const { places } = parseArguments(['store/rows.ts:10-20', 'packages/gateway/src/tasks/']);
  expect(isAsked(places, FILE, 10)).toBe(true);
  expect(isAsked(places, FILE, 21)).toBe(false);
  expect(isAsked(places, 'packages/gateway/src/tasks/money.ts', 1)).toBe(true);
  expect(isAsked([], FILE, 1)).toBe(true);
  expect(() => parseArguments(['api/server.ts'])).toThrow(UsageError);
  expect(() => parseArguments(['--sample', 'many'])).toThrow(UsageError);
});
