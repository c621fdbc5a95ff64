import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import NODE_FLAGS from '../../scripts/nodeFlags.json' with { type: 'json' };
import type { Usage, UsageQuestion } from './usage.ts';

/** A gateway that an operator would start: `onetake serve` in a process of its own. */
export interface Gateway extends AsyncDisposable {
  readonly url: string;
  readonly apiKey: string;
  readonly pid: number | undefined;
  /** When it knew the end of each task's job, by task id: the transition is durable. Milliseconds UTC. */
  readonly ends: ReadonlyMap<string, number>;
  usage(question: UsageQuestion): Promise<Usage>;
}

export interface GatewayOptions {
  /** The checkout that it is started from. */
  readonly checkout: string;
  /** The folder for its files, which the caller removes. */
  readonly dir: string;
  /** The contents of onetake.yaml, of which JSON is a part. */
  readonly settings: unknown;
  readonly environment: Readonly<Record<string, string>>;
}

const API_KEY = 'sk-bench-0123456789abcdef0123';
const USAGE = new URL('./usage.ts', import.meta.url).href;

/** Rejects, with its messages, if the gateway ends before it listens. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { checkout, dir, settings, environment } = options;
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'onetake.yaml');
  await writeFile(config, JSON.stringify(settings));
  const cli = join(checkout, 'packages/gateway/src/cli/main.ts');
  const child = spawn(process.execPath, [...NODE_FLAGS, '--expose-gc', '--import', USAGE, cli, 'serve'], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      PATH: process.env.PATH ?? '',
      TMPDIR: dir,
      ONETAKE_CONFIG: config,
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: join(dir, 'data'),
      ONETAKE_BOOTSTRAP_KEY: API_KEY,
      ...environment,
    },
  });
  const ended = once(child, 'exit');
  const ends = new Map<string, number>();
  const url = Promise.withResolvers<string>();
  let messages = '';
  child.stderr?.on('data', (chunk) => {
    messages += chunk;
  });
  child.once('close', () => url.reject(new Error(`the gateway of ${checkout} ended:\n${messages}`)));
  if (!child.stdout) throw new Error('the gateway has no standard output');
  createInterface({ input: child.stdout }).on('line', (line) => readLine(line, ends, url.resolve));
  const end = async (): Promise<void> => {
    // Its folder is removed, so there is nothing to finish.
    child.kill('SIGKILL');
    await ended;
  };
  try {
    return {
      url: await url.promise,
      apiKey: API_KEY,
      pid: child.pid,
      ends,
      async usage(question) {
        const answered = once(child, 'message');
        child.send(question);
        const [usage] = (await answered) as [Usage];
        return usage;
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Transitions after which the gateway knows how the upstream's job ended. */
const ENDS: readonly string[] = ['upstream_succeeded', 'failed'];

/** Reads a line of the log. Most are about requests and are not parsed. */
function readLine(line: string, ends: Map<string, number>, listening: (url: string) => void): void {
  if (line.includes('"gateway.listening"')) listening(JSON.parse(line).address);
  if (!line.includes('"task.moved"')) return;
  const { task, transition, time } = JSON.parse(line);
  if (ENDS.includes(transition) && !ends.has(task)) ends.set(task, Date.parse(time));
}
