import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import NODE_FLAGS from '../../scripts/nodeFlags.json' with { type: 'json' };

/** A server in a process of its own. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

export const KEY = 'sk-bench-0123456789abcdef0123';
export const SUBMIT_PATH = '/v1/video/generations';

/** A submission as a client would send it; no two have the same words. */
export const submission = (number: number): string =>
  JSON.stringify({
    model: 'sora-2',
    prompt: `A paper boat on a quiet lake at dawn, mist over the water, number ${number}`,
    duration: 4,
    aspect_ratio: '16:9',
    metadata: { customer: `c-${number % 100}` },
  });

interface Started {
  readonly script: string;
  readonly args: readonly string[];
  readonly dir: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts a script that says on standard error where it listens. Its standard output goes into a file, as a service's log does. */
async function start({ script, args, dir, environment }: Started): Promise<Server> {
  await using log = await open(join(dir, 'log'), 'w');
  const child = spawn(process.execPath, [...NODE_FLAGS, script, ...args], {
    stdio: ['ignore', log.fd, 'pipe'],
    env: { PATH: process.env.PATH ?? '', TMPDIR: dir, ...environment },
  });
  const ended = once(child, 'exit');
  const url = Promise.withResolvers<string>();
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk;
    const address = /listening on (\S+)/.exec(said)?.[1];
    if (address !== undefined) url.resolve(address);
  });
  child.once('close', () => url.reject(new Error(`${script} ended:\n${said}`)));
  const end = async () => {
    // Its folder is removed, so there is nothing to finish.
    child.kill('SIGKILL');
    await ended;
  };
  try {
    return { url: await url.promise, pid: child.pid ?? 0, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The gateway of a checkout, with its embedded store unless the settings name another one. Its one account takes a single job, which never ends: all other tasks are queued. */
export async function startGateway(
  checkout: string,
  dir: string,
  upstream: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Server> {
  await mkdir(dir, { recursive: true });
  const config = join(dir, 'onetake.yaml');
  const account = {
    provider: 'openai',
    flavour: 'openai',
    base_url: upstream,
    api_key: { env: 'BENCH_KEY' },
    models: ['sora-2'],
    limits: { in_flight: 1, submits_per_minute: 1, polls_per_second: 1 },
  };
  await writeFile(config, JSON.stringify({ accounts: { full: account } }));
  return start({
    script: join(checkout, 'packages/gateway/src/cli/main.ts'),
    args: ['serve'],
    dir,
    environment: {
      ONETAKE_CONFIG: config,
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: join(dir, 'data'),
      ONETAKE_BOOTSTRAP_KEY: KEY,
      BENCH_KEY: 'sk-upstream-0123456789abcdef',
      ...settings,
    },
  });
}

/** The reference: see `bare.ts`. */
export async function startBare(dir: string): Promise<Server> {
  await mkdir(dir, { recursive: true });
  return start({
    script: fileURLToPath(new URL('bare.ts', import.meta.url)),
    args: [join(dir, 'data')],
    dir,
  });
}

/** An upstream that accepts every job and never finishes one. Resolves with its base URL. */
export async function startUpstream(opened: AsyncDisposableStack): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      const job = { id: 'video_1', object: 'video', model: 'sora-2', status: 'queued', progress: 0 };
      const body =
        /\/videos(?:\?|$)/.test(request.url ?? '') && request.method === 'GET' ? { data: [job] } : job;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}
