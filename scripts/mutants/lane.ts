import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { Client } from 'pg';
import { createVitest, type TestModule, type TestSpecification, type Vitest } from 'vitest/node';
import type { Covered, Run } from './switches.ts';

// A process in the sandbox that leads a process group: Vitest with its servers, ready to run tests repeatedly. Its
// starter ends the group when a mutant hangs.

/** A request of the runner to a lane; each is answered before the next. */
export type LaneRequest =
  | { readonly type: 'cover'; readonly filters: readonly string[]; readonly workers: number }
  | { readonly type: 'test'; readonly mutant: string; readonly batch: Batch }
  | { readonly type: 'end' };

/** Tests of one file, or all of them if none is named. */
export interface Batch {
  readonly file: string;
  readonly tests: readonly string[];
  readonly testTimeout: number;
}

export interface TestedFile {
  readonly file: string;
  /** The duration of its import and its hooks. */
  readonly overheadMs: number;
  /** Durations in ms, by full name; only of those that passed. */
  readonly passed: Readonly<Record<string, number>>;
  readonly failed: readonly Failure[];
}

export interface Failure {
  readonly test: string;
  readonly message: string;
}

export type LaneAnswer =
  | { readonly type: 'ready' }
  | { readonly type: 'tested'; readonly tested: TestedFile }
  | { readonly type: 'covered'; readonly covered: readonly Covered[] }
  | { readonly type: 'error'; readonly message: string };

/** A worker that hangs does not close. */
const CLOSE_MS = 5_000;
const LANE = process.env.MUTANTS_LANE ?? '';
const PROJECT = process.env.MUTANTS_PROJECT ?? '';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COVERAGE = path.join(LANE, 'coverage');

const say = (answer: LaneAnswer): void => {
  process.send?.(answer);
};

// The runner is gone, so nobody else would end what runs here.
process.on('disconnect', () => process.kill(-process.pid, 'SIGKILL'));
process.on('message', (request: LaneRequest) => {
  void answer(request).catch((error) => say({ type: 'error', message: String(error?.stack ?? error) }));
});

let vitest: Vitest | undefined;

async function answer(request: LaneRequest): Promise<void> {
  if (request.type === 'end') {
    await Promise.race([vitest?.close(), sleep(CLOSE_MS)]);
    process.exit();
  }
  const run: Run =
    request.type === 'test' ? { mutant: request.mutant, testTimeout: request.batch.testTimeout } : {};
  writeFileSync(path.join(LANE, 'run.json'), JSON.stringify(run));
  const temporary = path.join(LANE, 'tmp');
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { mode: 0o711 });
  vitest ??= await open(request);
  if (request.type === 'cover') return cover(vitest, request.filters);
  await test(vitest, request.batch);
}

async function open(request: Exclude<LaneRequest, { type: 'end' }>): Promise<Vitest> {
  const covering = request.type === 'cover';
  const opened = await createVitest('test', {
    root: ROOT,
    watch: false,
    project: [PROJECT],
    bail: covering ? 0 : 1,
    maxWorkers: covering ? request.workers : 1,
    reporters: [{ onTestModuleEnd: (module) => say({ type: 'tested', tested: outcome(module) }) }],
    onConsoleLog: () => false,
  });
  for (const project of opened.projects) {
    project.config.setupFiles.unshift(path.join(ROOT, 'scripts/mutants/workerSetup.ts'));
  }
  return opened;
}

/** Runs the files without a mutant, and returns what each test reaches. */
async function cover(opened: Vitest, filters: readonly string[]): Promise<void> {
  rmSync(COVERAGE, { recursive: true, force: true });
  mkdirSync(COVERAGE, { mode: 0o777 });
  await opened.runTestSpecifications(await opened.globTestSpecifications([...filters]));
  const covered = readdirSync(COVERAGE).flatMap((name): Covered[] => {
    try {
      return [JSON.parse(readFileSync(path.join(COVERAGE, name), 'utf8'))];
    } catch {
      // Its process was killed while it wrote.
      return [];
    }
  });
  say({ type: 'covered', covered });
}

async function test(opened: Vitest, { file, tests }: Batch): Promise<void> {
  const found: TestSpecification[] = opened.projects.map((project) =>
    project.createSpecification(path.join(ROOT, file), tests.length > 0 ? { testNames: [...tests] } : {}),
  );
  const { unhandledErrors } = await opened.runTestSpecifications(found);
  if (unhandledErrors.length > 0) {
    const failed = unhandledErrors.map((error) => ({ test: '', message: inspect(error) }));
    say({ type: 'tested', tested: { file, overheadMs: 0, passed: {}, failed } });
  }
  opened.state.clearErrors();
  await dropDatabases(opened.getRootProject().getProvidedContext().postgres);
  say({ type: 'ready' });
}

function outcome(module: TestModule): TestedFile {
  const passed: Record<string, number> = {};
  const failed: Failure[] = [];
  for (const error of module.errors()) failed.push({ test: '', message: error.message });
  for (const suite of module.children.allSuites()) {
    for (const error of suite.errors()) failed.push({ test: suite.fullName, message: error.message });
  }
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result();
    if (state === 'passed') passed[test.fullName] = test.diagnostic()?.duration ?? 0;
    if (state === 'failed') failed.push({ test: test.fullName, message: errors[0]?.message ?? '' });
  }
  const { collectDuration, duration, environmentSetupDuration, prepareDuration, setupDuration } =
    module.diagnostic();
  const alone = duration - Object.values(passed).reduce((sum, ms) => sum + ms, 0);
  return {
    file: path.relative(ROOT, module.moduleId),
    overheadMs:
      collectDuration + environmentSetupDuration + prepareDuration + setupDuration + Math.max(0, alone),
    passed,
    failed,
  };
}

/** Tests leave their databases to the end of the server, which here outlives thousands of runs. */
async function dropDatabases(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const { rows } = await client.query<{ datname: string }>(
      "select datname from pg_database where datname like 'onetake\\_%'",
    );
    for (const { datname } of rows) await client.query(`drop database if exists "${datname}" with (force)`);
  } finally {
    await client.end();
  }
}
