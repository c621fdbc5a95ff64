import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Mutant } from './instrument.ts';
import type { TestedFile } from './lane.ts';
import type { Covered } from './switches.ts';

/** A test file: its duration, and which mutants its tests reach. */
export interface TestFile {
  readonly file: string;
  /** The hash of its text, by which a change is noticed. */
  readonly hash: string;
  /** The duration of its imports and of its hooks. */
  readonly overheadMs: number;
  /** The tests that pass without a mutant: their duration in ms, by full name. */
  readonly tests: Readonly<Record<string, number>>;
  /** A test failed without a mutant. */
  readonly failed: boolean;
  /** Keys of mutants by test; those under '' are reached by the imports or the set-up, so by all tests. */
  readonly reached: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The current test files: path and hash. */
export function testFilesOf(root: string, folder: string): ReadonlyMap<string, string> {
  const files = globSync(`${folder}**/*.test.ts`, { cwd: root });
  return new Map(
    files.map((file) => [
      file,
      createHash('sha256')
        .update(readFileSync(path.join(root, file)))
        .digest('hex'),
    ]),
  );
}

/** Combines the results of a run without mutants. */
export function coverageOf(
  hashes: ReadonlyMap<string, string>,
  tested: readonly TestedFile[],
  covered: readonly Covered[],
  mutants: readonly Mutant[],
): TestFile[] {
  const keys = new Map(mutants.map(({ id, key }) => [id, key]));
  const reached = new Map<string, Map<string, Set<string>>>(tested.map(({ file }) => [file, new Map()]));
  for (const { file, byTest } of covered) {
    const ofFile = reached.get(file);
    if (!ofFile) continue;
    for (const [test, ids] of Object.entries(byTest)) {
      const ofTest = ofFile.get(test) ?? new Set();
      ofFile.set(test, ofTest);
      for (const id of ids) {
        const key = keys.get(id);
        if (key !== undefined) ofTest.add(key);
      }
    }
  }
  return tested.map(({ file, overheadMs, passed, failed }) => ({
    file,
    hash: hashes.get(file) ?? '',
    overheadMs,
    tests: passed,
    failed: failed.length > 0,
    reached: reached.get(file) ?? new Map(),
  }));
}

/** On disk a set of mutants is a bit set. */
interface Stored {
  readonly keys: readonly string[];
  readonly files: readonly (Omit<TestFile, 'reached'> & {
    readonly reached: Readonly<Record<string, string>>;
  })[];
}

export function saveCoverage(file: string, coverage: readonly TestFile[]): void {
  const keys = [
    ...new Set(coverage.flatMap(({ reached }) => [...reached.values()].flatMap((set) => [...set]))),
  ];
  const bitOf = new Map(keys.map((key, bit) => [key, bit]));
  const stored: Stored = {
    keys,
    files: coverage.map(({ reached, ...rest }) => ({
      ...rest,
      reached: Object.fromEntries([...reached].map(([test, set]) => [test, pack(set, bitOf)])),
    })),
  };
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(stored));
}

export function loadCoverage(file: string): TestFile[] {
  let stored: Stored;
  try {
    stored = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return [];
  }
  return stored.files.map(({ reached, ...rest }) => ({
    ...rest,
    reached: new Map(Object.entries(reached).map(([test, bits]) => [test, unpack(bits, stored.keys)])),
  }));
}

function pack(set: ReadonlySet<string>, bitOf: ReadonlyMap<string, number>): string {
  const bytes = Buffer.alloc(Math.ceil(bitOf.size / 8));
  for (const key of set) {
    const bit = bitOf.get(key) ?? 0;
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return bytes.toString('base64');
}

function unpack(bits: string, keys: readonly string[]): Set<string> {
  const bytes = Buffer.from(bits, 'base64');
  return new Set(keys.filter((_, bit) => ((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1));
}
