// Changes the code in small ways, one at a time, and sees whether a test notices: `npm run mutants`. See CONTRIBUTING.md.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Asked, isAsked, parseArguments, UsageError } from './mutants/arguments.ts';
import { coverageOf, loadCoverage, saveCoverage, type TestFile, testFilesOf } from './mutants/coverage.ts';
import { type Instrumented, instrument, type Mutant, sourcesOf } from './mutants/instrument.ts';
import type { TestedFile } from './mutants/lane.ts';
import { createLane, type Lane } from './mutants/lanes.ts';
import { createPlanner } from './mutants/plan.ts';
import { lineOf, report } from './mutants/report.ts';
import { makeSandbox } from './mutants/sandbox.ts';
import { TESTS } from './mutants/scope.ts';
import { sample, type Verdict } from './mutants/score.ts';
import { EQUIVALENT, isListed } from './mutants/survivors.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const HERE = path.join(ROOT, '.tmp', 'mutants');
const COVERAGE = path.join(HERE, 'coverage.json');

/** As in Vitest's messages. */
const TIMED_OUT = /timed out in \d+ ?ms/;

const say = (text: string): void => console.log(text);

async function main(args: readonly string[]): Promise<number> {
  const asked = parseArguments(args);
  const sources = sourcesOf(ROOT);
  const instrumented = await instrument(sources);
  const stale = EQUIVALENT.filter((entry) => !instrumented.mutants.some((mutant) => isListed(mutant, entry)));
  for (const { file, original } of stale) {
    console.error(
      `scripts/mutants/survivors.ts: no mutant of ${file} is "${original}" any more; drop the entry`,
    );
  }
  if (stale.length > 0) return 1;

  const counted = instrumented.mutants.filter(
    (mutant) => !EQUIVALENT.some((entry) => isListed(mutant, entry)),
  );
  const inPlaces = counted.filter(({ file, line }) => isAsked(asked.places, file, line));
  const chosen = asked.sample === undefined ? inPlaces : sample(inPlaces, asked.sample, asked.seed);
  say(
    `${sources.size} files, ${instrumented.mutants.length} mutants (${instrumented.ignored} more are words for people), ` +
      `${EQUIVALENT.length} equivalent; ${chosen.length} of ${inPlaces.length} to test`,
  );

  const sandbox = path.join(HERE, `sandbox-${process.pid}`);
  makeSandbox(ROOT, sandbox, instrumented.files);
  const log = path.join(HERE, `lanes-${process.pid}.log`);
  const lanes = Array.from({ length: asked.lanes }, () => createLane(sandbox, log));
  const clear = async (): Promise<void> => {
    await Promise.all(lanes.map((lane) => lane.close()));
    rmSync(sandbox, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void clear().finally(() => process.exit(130)));
  }
  try {
    const coverage = await coverageFor(asked, instrumented, lanes);
    const verdicts = await testAll(chosen, coverage, asked, lanes);
    mkdirSync(HERE, { recursive: true });
    const { text, document } = report(verdicts);
    writeFileSync(path.join(HERE, 'report.json'), JSON.stringify(verdicts, undefined, 1));
    writeFileSync(path.join(HERE, 'survivors.md'), document);
    say(`\n${text}\nWritten to .tmp/mutants/survivors.md and report.json.`);
    return 0;
  } finally {
    await clear();
  }
}

/** What is known about the requested tests, after running new or changed ones. */
async function coverageFor(
  asked: Asked,
  instrumented: Instrumented,
  [lane]: readonly Lane[],
): Promise<TestFile[]> {
  const hashes = testFilesOf(ROOT, TESTS);
  const wanted = [...hashes.keys()].filter(
    (file) => asked.tests.length === 0 || asked.tests.some((filter) => file.includes(filter)),
  );
  const before = asked.fresh ? [] : loadCoverage(COVERAGE).filter(({ file }) => hashes.has(file));
  // A file in which a test failed by itself is tried again when it is requested by name.
  const isCurrent = ({ file, hash, failed }: TestFile) =>
    hashes.get(file) === hash && !(failed && asked.tests.length > 0);
  const current = new Set(before.filter(isCurrent).map(({ file }) => file));
  const missing = wanted.filter((file) => !current.has(file));
  let all = before;
  if (missing.length > 0 && lane) {
    say(`Running ${missing.length} test files without a mutant, to see what they reach…`);
    const tested: TestedFile[] = [];
    const covered = await lane.cover(missing, Math.max(2, asked.lanes), (file) => {
      tested.push(file);
      if (tested.length % 10 === 0) say(`  ${tested.length} of ${missing.length}`);
      for (const { test, message } of file.failed) {
        say(`  fails by itself, so judges no mutant: ${file.file} ${test}: ${message.split('\n')[0]}`);
      }
    });
    const fresh = coverageOf(hashes, tested, covered, instrumented.mutants);
    all = [...before.filter(({ file }) => !missing.includes(file)), ...fresh];
    saveCoverage(COVERAGE, all);
  }
  return all.filter(({ file }) => wanted.includes(file));
}

async function testAll(
  mutants: readonly Mutant[],
  coverage: readonly TestFile[],
  asked: Asked,
  lanes: readonly Lane[],
): Promise<Verdict[]> {
  const planner = createPlanner(coverage, asked.budgetMs);
  const verdicts: Verdict[] = [];
  const queue = mutants.values();
  const started = performance.now();
  await Promise.all(
    lanes.map(async (lane) => {
      for (const mutant of queue) {
        // A sample is in random order, so those that there was time for are a sample too.
        if (performance.now() - started > asked.limitMs) return;
        const verdict = await judge(mutant, planner, lane).catch(
          // Counts against the tests, because none was seen to fail.
          (error): Verdict => ({ mutant, status: 'survived', by: `could not be judged: ${error}` }),
        );
        verdicts.push(verdict);
        const seconds = ((performance.now() - started) / 1000).toFixed(0);
        say(`[${verdicts.length}/${mutants.length} ${seconds}s] ${lineOf(verdict)}`);
      }
    }),
  );
  return verdicts;
}

async function judge(
  mutant: Mutant,
  planner: ReturnType<typeof createPlanner>,
  lane: Lane,
): Promise<Verdict> {
  const { batches, leftOut } = planner.plan(mutant);
  if (batches.length === 0) return { mutant, status: 'unreached', by: 'no test reaches it' };
  for (const { limitMs, isSound, ...batch } of batches) {
    let result = await lane.test(mutant.id, batch, limitMs);
    // Test names that contain return values change with the mutant: then all tests of the file decide.
    const { passed, failed } = result === 'timeout' ? { passed: {}, failed: [] } : result;
    const isMissing = (name: string) => !Object.hasOwn(passed, name);
    if (result !== 'timeout' && isSound && failed.length === 0 && batch.tests.some(isMissing)) {
      result = await lane.test(mutant.id, { ...batch, tests: [] }, limitMs);
    }
    const failure = result === 'timeout' ? undefined : result.failed[0];
    if (result !== 'timeout' && !failure) continue;
    planner.killed(mutant, batch.file);
    const by = failure ? `${batch.file} > ${failure.test}: ${failure.message.split('\n')[0]}` : batch.file;
    return { mutant, status: !failure || TIMED_OUT.test(failure.message) ? 'timeout' : 'killed', by };
  }
  const more = leftOut > 0 ? `, ${leftOut} more beyond the budget` : '';
  return { mutant, status: 'survived', by: `${batches.length} test files${more}` };
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
