import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));

/** A gateway in a process of its own. */
export interface ServingProcess {
  readonly child: ChildProcess;
  /** The URL on which it listens. */
  readonly base: string;
  /** Its output at start. */
  readonly greeting: string;
  /** Sends the signal; resolves with the exit code once the process has ended. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `onetake serve` with only these settings, in `cwd`; resolves once it listens. The caller ends it. */
export function serveProcess(
  env: Record<string, string>,
  started: (child: ChildProcess) => void = () => undefined,
  cwd = process.cwd(),
): Promise<ServingProcess> {
  const child = spawn(process.execPath, [CLI, 'serve'], {
    cwd,
    env: { PATH: process.env.PATH, ONETAKE_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started(child);
  child.stdout?.resume();
  const exited = once(child, 'exit');
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk;
      const base = /listening on (\S+)/.exec(text)?.[1];
      if (!base || !text.endsWith('\n\n')) return;
      resolve({
        child,
        base,
        greeting: text,
        async stop(signal = 'SIGTERM') {
          child.kill(signal);
          const [code] = await exited;
          return code;
        },
      });
    });
    child.once('exit', (code) => reject(new Error(`exited with ${code}: ${text}`)));
  });
}
