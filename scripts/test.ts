// Everything that must pass before a change is merged: `npm test`. All checks run, whatever fails, so that one run shows
// every problem. `npm test -- <filter>` runs only the matching tests; other Vitest arguments also work.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type Outcome, sentence, sum, type Tally, tallyOf } from './tally.ts';

interface Check {
  readonly name: string;
  readonly keeps: string;
  readonly command: readonly [string, ...string[]];
}

const CHECKS: readonly Check[] = [
  { name: 'types', keeps: 'TypeScript, strict', command: ['tsc', '--noEmit', '-p', '.'] },
  {
    name: 'lint',
    keeps: 'Biome: rules and format',
    command: ['biome', 'ci', '.', ...plainOutput('--colors=off')],
  },
  {
    name: 'house',
    keeps: 'who may import whom',
    command: ['depcruise', '--config', '.dependency-cruiser.mjs', '.'],
  },
  {
    name: 'layout',
    keeps: 'full folders, repeated prefixes, scattered files',
    command: ['node', 'scripts/check/layout.ts'],
  },
  { name: 'unused', keeps: 'no unused file, export or dependency', command: ['knip', '--no-progress'] },
  {
    name: 'licences',
    keeps: 'what dependencies ask of users',
    command: ['node', 'scripts/check/licences.ts'],
  },
  {
    name: 'docs',
    keeps: 'generated documents say what the code says',
    command: ['node', 'scripts/docs.ts', '--check'],
  },
  {
    name: 'client',
    keeps: 'the types of the client, and that its package resolves everywhere',
    command: ['node', 'scripts/client.ts', '--check'],
  },
  {
    name: 'tracked',
    keeps: 'no secret and no trace of a machine',
    command: ['node', 'scripts/check/tracked.ts'],
  },
];

const OUTCOME = path.resolve('.tmp', `tests-${process.pid}.json`);

interface Result {
  readonly tally: Tally;
  /** A line for each failed test. */
  readonly failures?: readonly string[];
}

interface Timed extends Result {
  readonly name: string;
  readonly seconds: number;
}

let running: ChildProcess | undefined;
for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    running?.kill(signal);
    process.exit(1);
  });
}

/** Runs a command with our terminal and resolves with its exit code; 127 if it cannot be started. */
function run([command, ...args]: readonly [string, ...string[]]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command === 'node' ? process.execPath : command, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, TEST_OUTCOME: OUTCOME },
      shell: process.platform === 'win32' && command !== 'node',
    });
    running = child;
    child.on('error', (error) => {
      console.error(error.message);
      resolve(127);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function timed(name: string, keeps: string, work: () => Promise<Result>): Promise<Timed> {
  console.log(`\n── ${name}: ${keeps}`);
  const started = performance.now();
  const result = await work();
  return { name, ...result, seconds: (performance.now() - started) / 1000 };
}

async function runCheck({ command }: Check): Promise<Result> {
  const passed = (await run(command)) === 0;
  return { tally: { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 } };
}

async function runTests(args: readonly string[]): Promise<Result> {
  mkdirSync(path.dirname(OUTCOME), { recursive: true });
  const reporters = ['--reporter=default', '--reporter=./scripts/outcomeReporter.ts'];
  const code = await run(['vitest', 'run', ...reporters, ...args]);
  const outcome = readOutcome();
  rmSync(OUTCOME, { force: true });
  return { tally: tallyOf(outcome, code), failures: outcome?.failures ?? [] };
}

function readOutcome(): Outcome | undefined {
  try {
    return JSON.parse(readFileSync(OUTCOME, 'utf8'));
  } catch {
    return undefined;
  }
}

function plainOutput(flag: string): string[] {
  return process.stdout.isTTY ? [] : [flag];
}

const filters = process.argv.slice(2);
const results: Timed[] = [];
for (const check of filters.length > 0 ? [] : CHECKS) {
  results.push(await timed(check.name, check.keeps, () => runCheck(check)));
}
results.push(await timed('tests', 'what users and operators rely on', () => runTests(filters)));

console.log('\n── summary');
for (const { name, tally, failures = [], seconds } of results) {
  const verdict = tally.failed > 0 ? 'FAILED' : 'ok';
  const counts = name === 'tests' ? `  ${sentence(tally)}` : '';
  console.log(`${verdict.padEnd(6)}  ${name.padEnd(8)}  ${seconds.toFixed(1).padStart(6)} s${counts}`);
  for (const failure of failures) console.log(`        ${failure}`);
}
const total = sum(results.map(({ tally }) => tally));
console.log(`\n${sentence(total)}`);
process.exitCode = total.failed === 0 ? 0 : 1;
