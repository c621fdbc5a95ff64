import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../packages/gateway/src/cli/main.ts', import.meta.url));

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
}

/** Starts a node. What it says goes to `logPath`. */
export function startGatewayProcess(env: Readonly<Record<string, string>>, logPath: string): GatewayProcess {
  const child: ChildProcess = spawn(process.execPath, [CLI, 'serve'], {
    // A group of its own: a signal to the group reaches its children too, and Ctrl-C does not reach it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  const { pid } = child;
  if (pid === undefined) throw new Error('a node could not be started');
  const log = createWriteStream(logPath, { flags: 'a' });
  const ended = once(child, 'exit').then(
    ([code, signal]: (number | NodeJS.Signals | null)[]) => signal ?? code ?? 0,
  );
  const address = Promise.withResolvers<string>();
  // Whoever waits is told; a node that dies before anybody asks is no error of the harness.
  address.promise.catch(() => undefined);
  void ended.then((how) =>
    address.reject(new Error(`a node ended (${how}) before it listened; see ${logPath}`)),
  );
  child.stderr?.pipe(log, { end: false });
  const lines = child.stdout && createInterface({ input: child.stdout });
  lines?.on('line', (line) => {
    log.write(`${line}\n`);
    const found = /"address":"(http:[^"]+)".*"msg":"listening"/.exec(line)?.[1];
    if (found !== undefined) address.resolve(found);
  });

  return {
    pid,
    address: address.promise,
    ended,
    get running() {
      return child.exitCode === null && child.signalCode === null;
    },
    signal(signal) {
      try {
        process.kill(-pid, signal);
      } catch {
        // The group has ended meanwhile.
      }
    },
    terminate() {
      child.kill('SIGTERM');
    },
  };
}
