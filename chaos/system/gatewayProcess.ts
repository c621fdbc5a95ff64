import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ClockMessage, ListenMessage } from './preload.ts';

const CLI = fileURLToPath(new URL('../../packages/gateway/src/cli/main.ts', import.meta.url));
const PRELOAD = new URL('./preload.ts', import.meta.url).href;

/** From the end of a killed process until its exit is noticed here, at most. Milliseconds. */
const EXIT_MS = 5_000;

const run = promisify(execFile);

/** A gateway, as an operator would start it. */
export interface GatewayProcess {
  readonly pid: number;
  /** The URL on which it listens; rejects if it ends before that. */
  readonly address: Promise<string>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly running: boolean;
  /** To the process and all its children, as if the machine had stopped. */
  signal(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGTERM, only to the process: it ends its children itself. */
  terminate(): void;
  /** Sets how far its wall clock is ahead of the machine's. Milliseconds. */
  setClock(aheadMs: number): void;
  /** To each of its children; resolves with their ids. */
  signalChildren(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<readonly number[]>;
  /** Keeps it from opening anything more; resolves with a function that undoes this. Linux only. */
  useUpDescriptors(): Promise<() => Promise<void>>;
}

/** Starts a node, of this checkout if `cli` names no other. It writes its log to the file itself, as to a disk of its own. */
export function startGatewayProcess(
  env: Readonly<Record<string, string>>,
  logPath: string,
  cli = CLI,
): GatewayProcess {
  const log = openSync(logPath, 'a');
  const child: ChildProcess = spawn(process.execPath, ['--import', PRELOAD, cli, 'serve'], {
    // A group of its own, so that a signal to the group reaches its children too, and Ctrl-C does not reach it.
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
  const address = addressOf(child, logPath);
  // Whoever waits gets the error; a node that dies unobserved is no error of the harness.
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
      const limit = (to: string) => run('prlimit', ['--pid', String(pid), `--nofile=${to}`]);
      try {
        const limits = await readFile(`/proc/${pid}/limits`, 'utf8');
        const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
        const open = (await readdir(`/proc/${pid}/fd`)).length;
        await limit(`${open}:${hard}`);
        return async () => {
          // It may have ended in the meantime.
          await limit(`${soft}:${hard}`).catch(() => undefined);
        };
      } catch (error) {
        await Promise.race([ended, sleep(EXIT_MS)]);
        if (isRunning()) throw error;
        return async () => undefined;
      }
    },
  };
}

/** Rejects if the node ends before it listens. */
async function addressOf(child: ChildProcess, logPath: string): Promise<string> {
  const over = new AbortController();
  child.once('exit', () => over.abort());
  const [{ port }] = (await once(child, 'message', { signal: over.signal }).catch(() => {
    throw new Error(`a node ended before it listened; see ${logPath}`);
  })) as [ListenMessage];
  return `http://127.0.0.1:${port}`;
}

async function childrenOf(pid: number): Promise<number[]> {
  // It exits with 1 if there are none.
  const { stdout } = await run('pgrep', ['-P', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** To a process, or to a group if the number is negative. */
function signalTo(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // It has ended in the meantime.
  }
}
