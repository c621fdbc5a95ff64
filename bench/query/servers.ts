import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import NODE_FLAGS from '../../scripts/nodeFlags.json' with { type: 'json' };
import { cpuTimeOf } from '../shared/cpu.ts';
import { childrenOf } from '../shared/memory.ts';
import type { BareAnswer } from './bare.ts';
import type { Load } from './load.ts';

export const KEY = 'sk-bench-0123456789abcdef0123';
export const AUTHORIZED = { authorization: `Bearer ${KEY}` };

/** A server that is measured. */
export interface Server {
  readonly pid: number;
  readonly port: number;
}

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../..');

/** A folder that is removed at the end. */
export async function tempFolder(opened: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The gateway of a checkout with this data folder, in a process of its own, with the flags that it is always started with. */
export async function startGateway(
  dataDir: string,
  opened: AsyncDisposableStack,
  { checkout = ROOT, flags = [] }: { checkout?: string; flags?: readonly string[] } = {},
): Promise<Server> {
  const cli = join(resolve(checkout), 'packages/gateway/src/cli/main.ts');
  const child = spawn(process.execPath, [...NODE_FLAGS, ...flags, cli, 'serve'], {
    env: {
      PATH: process.env.PATH ?? '',
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: dataDir,
      ONETAKE_BOOTSTRAP_KEY: KEY,
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  endWith(opened, child);
  const port = await outputMatch(child, /listening on http:\/\/[^:]+:(\d+)/);
  return { pid: pidOf(child), port: Number(port) };
}

/** The bare server of `bare.ts`. */
export async function startBare(answer: BareAnswer, opened: AsyncDisposableStack): Promise<Server> {
  const child = fork(join(HERE, 'bare.ts'), { execArgv: [] });
  endWith(opened, child);
  child.send(answer);
  const [port] = await once(child, 'message');
  return { pid: pidOf(child), port };
}

/** A process that sends loads, so that the client does not share the event loop of whoever measures. */
export function startClient(opened: AsyncDisposableStack): SendLoad {
  const child = fork(join(HERE, 'load.ts'), { execArgv: [] });
  endWith(opened, child);
  const ended = once(child, 'exit').then(() => [{ error: 'the client ended' }]);
  const send = async (load: Load) => {
    child.send(load);
    const [{ error, took }] = await Promise.race([once(child, 'message'), ended]);
    if (error !== undefined) throw new Error(error);
    return took;
  };
  return Object.assign(send, { pid: pidOf(child) });
}

/** Has a load sent by the process `pid`. Resolves with how long each answer took, in milliseconds. */
export interface SendLoad {
  (load: Load): Promise<number[]>;
  readonly pid: number;
}

/** The CPU time of all threads of a server, and of the processes that it has started, for each request of a load; microseconds. */
export async function cpuPerRequest(
  send: (load: Load) => Promise<unknown>,
  pid: number,
  load: Load,
): Promise<number> {
  const before = await treeCpu(pid);
  await send(load);
  return ((await treeCpu(pid)) - before) / load.requests;
}

async function treeCpu(pid: number): Promise<number> {
  const others = await Promise.all((await childrenOf(pid)).map(treeCpu));
  return others.reduce((sum, other) => sum + other, (await cpuTimeOf(pid)).all);
}

/** What a gateway answers to a query, for a bare server to repeat: all of it but what Node adds by itself. */
export async function answerOf({ port }: Server, path: string): Promise<BareAnswer> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: AUTHORIZED });
  const body = await answer.text();
  const own = [...answer.headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name));
  return { key: KEY, headers: Object.fromEntries(own), body };
}

/** Ends a process with all that was opened. */
export function endWith(opened: AsyncDisposableStack, child: ChildProcess): void {
  const exited = once(child, 'exit');
  opened.defer(async () => {
    child.kill();
    await exited;
  });
}

export function pidOf({ pid }: ChildProcess): number {
  if (pid === undefined) throw new Error('the process did not start');
  return pid;
}

/** What a process writes to standard error, as soon as it matches. */
export function outputMatch(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      text += chunk;
      const found = pattern.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) =>
      reject(new Error(`exited with ${code} before printing ${pattern}: ${text}`)),
    );
  });
}
