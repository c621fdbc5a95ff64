import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ClockMessage } from './preload.ts';

const CLI = fileURLToPath(new URL('../../packages/gateway/src/cli/main.ts', import.meta.url));
const PRELOAD = new URL('./preload.ts', import.meta.url).href;
/** Between two looks into the log for the address. */
const LOOK_MS = 50;

const run = promisify(execFile);

/** A gateway, as an operator would start it. */
export interface GatewayProcess {
  readonly pid: number;
  /** Where it listens; rejects where it ends before it does. */
  readonly address: Promise<string>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly running: boolean;
  /** To the process and all its children, as if the machine stopped. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGTERM, to the process alone: it ends its children itself. */
  terminate(): void;
  /** Sets its wall clock so far ahead of the machine's. Milliseconds. */
  setClock(aheadMs: number): void;
  /** To each of its children; resolves with their ids. */
  signalChildren(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<readonly number[]>;
  /** Lets it open nothing more; resolves with what undoes it. Linux alone. */
  useUpDescriptors(): Promise<() => Promise<void>>;
}

/** Starts a node. It writes its log to the file itself, as it would to a disk of its own. */
export function startGatewayProcess(env: Readonly<Record<string, string>>, logPath: string): GatewayProcess {
  const log = openSync(logPath, 'a');
  const child: ChildProcess = spawn(process.execPath, ['--import', PRELOAD, CLI, 'serve'], {
    // A group of its own: a signal to the group reaches its children too, and Ctrl-C does not reach it.
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  closeSync(log);
  const { pid } = child;
  if (pid === undefined) throw new Error('a node could not be started');
  const ended = once(child, 'exit').then(
    ([code, signal]: (number | NodeJS.Signals | null)[]) => signal ?? code ?? 0,
  );
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  const address = addressIn(logPath, isRunning);
  // Whoever waits is told; a node that dies before anybody asks is no error of the harness.
  address.catch(() => undefined);

  return {
    pid,
    address,
    ended,
    get running() {
      return isRunning();
    },
    signal: (signal) => signalTo(-pid, signal),
    terminate() {
      child.kill('SIGTERM');
    },
    setClock(clockAheadMs) {
      if (child.connected) child.send({ clockAheadMs } satisfies ClockMessage, () => undefined);
    },
    async signalChildren(signal) {
      const children = await childrenOf(pid);
      for (const each of children) signalTo(each, signal);
      return children;
    },
    async useUpDescriptors() {
      const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
      const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
      const open = (await readdir(`/proc/${pid}/fd`)).length;
      const limit = (to: string) => run('prlimit', ['--pid', String(pid), `--nofile=${to}`]);
      await limit(`${open}:${hard}`);
      return async () => {
        // It may have ended meanwhile.
        await limit(`${soft}:${hard}`).catch(() => undefined);
      };
    },
  };
}

async function addressIn(logPath: string, isRunning: () => boolean): Promise<string> {
  for (;;) {
    const running = isRunning();
    const found = /"address":"(http:[^"]+)".*"msg":"listening"/.exec(await readFile(logPath, 'utf8'))?.[1];
    if (found !== undefined) return found;
    if (!running) throw new Error(`a node ended before it listened; see ${logPath}`);
    await sleep(LOOK_MS);
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  // It ends with 1 where there are none.
  const { stdout } = await run('pgrep', ['-P', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** To a process, or to a group where the number is negative. */
function signalTo(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // It has ended meanwhile.
  }
}
