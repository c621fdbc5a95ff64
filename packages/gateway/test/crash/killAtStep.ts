import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import pg from 'pg';

// Loaded before a program (`node --import`): counts every call that changes disk or database, and kills the program at the one
// that ONETAKE_KILL names, in whichever thread. The kernel completes what a call has given it by then, and nothing more.

/** Where a process is killed, as JSON in ONETAKE_KILL. */
export interface KillPlan {
  /** The number of the step, from 1; without it nothing is killed. */
  readonly step?: number;
  /** `during`: the call was made but not awaited. */
  readonly when?: 'before' | 'during' | 'after';
  /** The file for the names of all steps, one a line. */
  readonly report: string;
}

const FLAGS_THAT_WRITE = fs.constants.O_WRONLY | fs.constants.O_RDWR | fs.constants.O_CREAT;
const CALLS = [
  'appendFile',
  'chmod',
  'copyFile',
  'cp',
  'fdatasync',
  'fsync',
  'ftruncate',
  'link',
  'mkdir',
  'mkdtemp',
  'open',
  'rename',
  'rm',
  'rmdir',
  'symlink',
  'truncate',
  'unlink',
  'utimes',
  'write',
  'writeFile',
  'writev',
] as const;
const HANDLE_CALLS = ['appendFile', 'chmod', 'datasync', 'sync', 'truncate', 'write', 'writeFile', 'writev'];

type Call = (this: unknown, ...args: unknown[]) => unknown;
type Holder = Record<string, Call>;

/** What the threads of a process share. */
interface Shared {
  readonly plan: KillPlan;
  readonly steps: Int32Array<SharedArrayBuffer>;
}

const { openSync, writeSync } = fs;
const SHARED = 'onetake-kill';
if (isMainThread && process.env.ONETAKE_KILL) {
  const plan: KillPlan = JSON.parse(process.env.ONETAKE_KILL);
  const steps = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  setEnvironmentData(SHARED, { plan, steps } satisfies Shared);
}
// Not for children of this process.
delete process.env.ONETAKE_KILL;

const shared = getEnvironmentData(SHARED) as Shared | undefined;
const plan = shared?.plan;
const report = plan && openSync(plan.report, 'a');

/** The number of the step. */
function noted(name: string): number {
  if (report !== undefined) writeSync(report, `${name}\n`);
  return shared ? Atomics.add(shared.steps, 0, 1) + 1 : 0;
}

function die(name: string): never {
  writeSync(2, `killed ${plan?.when} step ${plan?.step}, ${name}\n`);
  process.kill(process.pid, 'SIGKILL');
  // The signal may take a moment to arrive; nothing more may happen until then.
  for (;;);
}

/** Makes the call a step if `changes` is true. */
function count(
  holder: Holder,
  call: string,
  nameOf: (self: unknown, args: readonly unknown[]) => string | undefined,
): void {
  const original = holder[call];
  if (!original) throw new Error(`there is no ${call} to count`);
  holder[call] = function counted(...args) {
    const name = nameOf(this, args);
    if (name === undefined) return original.apply(this, args);
    const mine = noted(name) === plan?.step;
    if (mine && plan?.when === 'before') die(name);
    if (mine && plan?.when === 'after' && typeof args.at(-1) === 'function') {
      args[args.length - 1] = () => die(name);
    }
    const result = original.apply(this, args);
    if (!mine) return result;
    if (plan?.when === 'after' && result instanceof Promise) return result.finally(() => die(name));
    if (plan?.when === 'after' && typeof args.at(-1) === 'function') return result;
    // Work that begins in the thread pool may have made any progress by now.
    return die(name);
  };
}

function fileStep(call: string, [target, flags]: readonly unknown[]): string | undefined {
  // Standard output and error.
  if (typeof target === 'number' && target <= 2) return undefined;
  if (/^open/.test(call) && !opensToWrite(flags)) return undefined;
  return `${call} ${typeof target === 'string' ? target.split('/').slice(-2).join('/') : ''}`.trim();
}

const opensToWrite = (flags: unknown): boolean =>
  typeof flags === 'number' ? (flags & FLAGS_THAT_WRITE) !== 0 : /[wa+]/.test(String(flags ?? 'r'));

async function countFiles(): Promise<void> {
  for (const call of CALLS) {
    const sync = `${call}Sync`;
    for (const [holder, name] of [
      [fs, call],
      [fs, sync],
      [fs.promises, call],
    ] as const) {
      const calls = holder as unknown as Holder;
      if (calls[name]) count(calls, name, (_self, args) => fileStep(name, args));
    }
  }
  const handle = await fs.promises.open(process.execPath);
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const call of HANDLE_CALLS) count(prototype, call, () => `FileHandle.${call}`);
  syncBuiltinESMExports();
}

function countDatabases(): void {
  const memory = new Database(':memory:');
  const statements = Object.getPrototypeOf(memory.prepare('select 1'));
  memory.close();
  const statementStep = (self: unknown) => {
    const { source, readonly } = self as Database.Statement;
    const controls = /^\s*(?:begin|commit|rollback|savepoint|release|vacuum)/i.test(source);
    return readonly && !controls ? undefined : `SQLite ${brief(source)}`;
  };
  for (const call of ['run', 'all', 'get']) count(statements, call, statementStep);
  const databases = Database.prototype as unknown as Holder;
  count(databases, 'exec', (_self, [sql]) => `SQLite ${brief(sql)}`);
  count(databases, 'pragma', (_self, [pragma]) =>
    String(pragma).includes('=') ? `SQLite pragma ${pragma}` : undefined,
  );
  // The last one to close moves the log into the database.
  count(databases, 'close', () => 'SQLite close');
  count(pg.Client.prototype as unknown as Holder, 'query', (_self, [query]) => {
    const text = typeof query === 'string' ? query : (query as { text?: string }).text;
    return `PostgreSQL ${brief(text)}`;
  });
}

const brief = (sql: unknown): string => String(sql).trim().replaceAll(/\s+/g, ' ').slice(0, 60);

if (plan) {
  await countFiles();
  countDatabases();
}
