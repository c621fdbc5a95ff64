import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import type { Order, PublishedClient } from './clients.ts';
import type { Installed } from './install.ts';

/** A client at work. */
export interface Running {
  readonly pid: number;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** As `kill -9` does it: what it has started lives on. */
  kill(): Promise<void>;
  /** Ends everything that it has started too. */
  end(): void;
}

/** Starts a client in a folder of its own. It finds no key, proxy or setting of this machine's user. */
export function startPublished(
  client: PublishedClient,
  installed: Installed,
  order: Order,
  { folder, log }: { readonly folder: string; readonly log: string },
): Running {
  const { command, args, env } = client.command(installed, order);
  const output = openSync(log, 'a');
  const child: ChildProcess = spawn(command, args, {
    cwd: folder,
    detached: true,
    stdio: ['ignore', output, output],
    env: {
      PATH: process.env.PATH ?? '',
      // Beside its folder, in which only its video is to be left.
      HOME: `${folder}.home`,
      PYTHONDONTWRITEBYTECODE: '1',
      NO_COLOR: '1',
      ...env,
      ONETAKE_URL: order.url,
      ONETAKE_API_KEY: order.key,
      PARAMS: JSON.stringify(order.params),
      IDEMPOTENCY_KEY: order.idempotencyKey,
      FILE: order.file,
      ...(order.taskId === undefined ? {} : { TASK_ID: order.taskId }),
    },
  });
  closeSync(output);
  const { pid } = child;
  if (pid === undefined) throw new Error(`${client.name} could not be started`);
  const ended = once(child, 'exit').then(
    ([code, signal]: (number | NodeJS.Signals | null)[]) => signal ?? code ?? 0,
  );
  return {
    pid,
    ended,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    end() {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // All of them have ended.
      }
    },
  };
}
