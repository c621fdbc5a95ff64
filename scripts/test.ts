// Everything that must pass before a change is merged: `npm test`. All checks run, whatever fails, so that one run shows
// every problem. `npm test -- <filter>` runs only the matching tests; other Vitest arguments also work.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { sentence, sum, type Tally, tallyOf, type VitestReport } from './tally.ts';

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
    name: 'tracked',
    keeps: 'no secret and no trace of a machine',
    command: ['node', 'scripts/check/tracked.ts'],
  },
];

const REPORT = path.join('.tmp', `vitest-${process.pid}.json`);

interface Outcome {
  readonly name: string;
  readonly tally: Tally;
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

async function timed(name: string, keeps: string, work: () => Promise<Tally>): Promise<Outcome> {
  console.log(`\n── ${name}: ${keeps}`);
  const started = performance.now();
  const tally = await work();
  return { name, tally, seconds: (performance.now() - started) / 1000 };
}

async function runCheck({ command }: Check): Promise<Tally> {
  const passed = (await run(command)) === 0;
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

async function runTests(args: readonly string[]): Promise<Tally> {
  mkdirSync(path.dirname(REPORT), { recursive: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`];
  const code = await run(['vitest', 'run', ...reporters, ...args]);
  const tally = tallyOf(readReport(), code);
  rmSync(REPORT, { force: true });
  return tally;
}

function readReport(): VitestReport | undefined {
  try {
    return JSON.parse(readFileSync(REPORT, 'utf8'));
  } catch {
    return undefined;
  }
}

function plainOutput(flag: string): string[] {
  return process.stdout.isTTY ? [] : [flag];
}

const filters = process.argv.slice(2);
const outcomes: Outcome[] = [];
for (const check of filters.length > 0 ? [] : CHECKS) {
  outcomes.push(await timed(check.name, check.keeps, () => runCheck(check)));
}
outcomes.push(await timed('tests', 'what users and operators rely on', () => runTests(filters)));

console.log('\n── summary');
for (const { name, tally, seconds } of outcomes) {
  const verdict = tally.failed > 0 ? 'FAILED' : 'ok';
  const counts = name === 'tests' ? `  ${sentence(tally)}` : '';
  console.log(`${verdict.padEnd(6)}  ${name.padEnd(8)}  ${seconds.toFixed(1).padStart(6)} s${counts}`);
}
const total = sum(outcomes.map(({ tally }) => tally));
console.log(`\n${sentence(total)}`);
process.exitCode = total.failed === 0 ? 0 : 1;
