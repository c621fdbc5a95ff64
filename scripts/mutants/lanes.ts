import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Batch, LaneAnswer, LaneRequest, TestedFile } from './lane.ts';
import { PROJECT } from './scope.ts';
import type { Covered } from './switches.ts';

/** In addition to the time of its tests: a worker's start, and Vitest's own timeout, whose message is more useful than ours. */
const GRACE_MS = 20_000;
const END_MS = 10_000;

/** A process that runs tests in the sandbox; created when it is needed, also again after it was ended. */
export interface Lane {
  cover(
    filters: readonly string[],
    workers: number,
    onFile: (tested: TestedFile) => void,
  ): Promise<readonly Covered[]>;
  /** Runs the tests on a mutant; 'timeout' if they did not end within `limitMs`. */
  test(mutant: string, batch: Batch, limitMs: number): Promise<TestedFile | 'timeout'>;
  close(): Promise<void>;
}

export function createLane(sandbox: string, logFile: string): Lane {
  const folder = mkdtempSync(path.join(tmpdir(), 'onetake-mutants-'));
  // PostgreSQL runs as another user, and must reach its folder in this one.
  chmodSync(folder, 0o711);
  let child: ChildProcess | undefined;

  function start(): ChildProcess {
    const log = openSync(logFile, 'a');
    const started = fork(path.join(sandbox, 'scripts/mutants/lane.ts'), [], {
      cwd: sandbox,
      env: {
        ...process.env,
        TMPDIR: folder,
        MUTANTS_LANE: folder,
        MUTANTS_PROJECT: PROJECT,
      },
      execPath: process.execPath,
      // It leads a group of its own, which is ended as a whole.
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    return started;
  }

  async function end(): Promise<void> {
    const lane = child;
    child = undefined;
    if (lane?.pid === undefined) return;
    if (lane.connected) {
      // PostgreSQL leaves shared memory behind if it is not asked to end.
      lane.send({ type: 'end' } satisfies LaneRequest);
      await Promise.race([once(lane, 'exit'), sleep(END_MS, undefined, { ref: false })]);
    }
    killGroup(lane.pid);
  }

  /** Sends a request; `take` gets each answer and says when it is complete. */
  async function ask<T>(
    request: LaneRequest,
    limitMs: number,
    take: (answer: LaneAnswer) => T | undefined,
  ): Promise<T | 'timeout'> {
    child ??= start();
    const lane = child;
    const { promise, resolve, reject } = Promise.withResolvers<T | 'timeout'>();
    const timer = setTimeout(() => resolve('timeout'), limitMs);
    const onMessage = (answer: LaneAnswer) => {
      if (answer.type === 'error') return reject(new Error(answer.message));
      const result = take(answer);
      if (result !== undefined) resolve(result);
    };
    const onExit = (code: number | null, signal: string | null) => {
      reject(new Error(`the lane ended with ${code ?? signal}; see ${logFile}`));
    };
    lane.on('message', onMessage).on('exit', onExit);
    try {
      lane.send(request);
      const result = await promise;
      if (result === 'timeout') await end();
      return result;
    } catch (error) {
      await end();
      throw error;
    } finally {
      clearTimeout(timer);
      lane.off('message', onMessage).off('exit', onExit);
    }
  }

  mkdirSync(path.dirname(logFile), { recursive: true });
  return {
    async cover(filters, workers, onFile) {
      const covered = await ask({ type: 'cover', filters, workers }, 2 ** 31 - 1, (answer) => {
        if (answer.type === 'tested') onFile(answer.tested);
        return answer.type === 'covered' ? answer.covered : undefined;
      });
      await end();
      return covered === 'timeout' ? [] : covered;
    },
    async test(mutant, batch, limitMs) {
      let result: TestedFile = { file: batch.file, overheadMs: 0, passed: {}, failed: [] };
      const ended = await ask({ type: 'test', mutant, batch }, limitMs + GRACE_MS, (answer) => {
        if (answer.type === 'tested') {
          const { tested } = answer;
          result = { ...tested, failed: [...result.failed, ...tested.failed] };
        }
        return answer.type === 'ready' ? result : undefined;
      });
      if (child?.pid !== undefined) killOrphans(child.pid);
      return ended;
    },
    async close() {
      await end();
      // The last process of the group may still write.
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
      if (statSync(logFile, { throwIfNoEntry: false })?.size === 0) rmSync(logFile, { force: true });
    },
  };
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** Ends processes that mutated code left running: members of the group whose parents are gone. */
function killOrphans(leader: number): void {
  let table: string;
  try {
    table = execFileSync('ps', ['-axo', 'pid=,ppid=,pgid='], { encoding: 'utf8' });
  } catch {
    // Without ps they stay until their group is ended.
    return;
  }
  const rows = table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const parents = new Map(rows.map(([pid = 0, parent = 0]) => [pid, parent]));
  const isOurs = (pid: number): boolean => {
    for (let at = pid; at > 1; at = parents.get(at) ?? 0) if (at === leader) return true;
    return false;
  };
  for (const [pid = 0, , group] of rows) {
    if (group !== leader || isOurs(pid)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}
