import { type ChildProcess, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catchInterruption, Interrupted, type Interruption } from '@onetake/gateway';
import { Client } from 'undici';
import NODE_FLAGS from '../scripts/nodeFlags.json' with { type: 'json' };

/**
 * Status queries per second over loopback: the gateway beside a bare `node:http` server that returns the same bytes after
 * the same header check. Both run in turns, so that the machine's noise affects both. Read the ratio.
 *
 *   npm run bench:query
 */
const ROUNDS = 5;
const ROUND_MS = 3000;
const CONNECTIONS = 16;
/** Requests in progress on each connection, so that the client is not the bottleneck. */
const PIPELINING = 8;

const KEY = 'sk-bench-0123456789abcdef0123';

if (process.argv[2] === 'bare') await serveBare();
else if (process.argv[2] === 'load') await load(process.argv[3] ?? '', process.argv[4] ?? '');
else await main();

async function main(): Promise<void> {
  const interruption = catchInterruption();
  try {
    await compare(interruption);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    process.exitCode = error.exitCode;
  }
}

async function compare({ signal, within }: Interruption): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  const cli = fileURLToPath(new URL('../packages/gateway/src/cli/main.ts', import.meta.url));
  const gateway = spawn(process.execPath, [...NODE_FLAGS, cli, 'serve'], {
    env: {
      ...process.env,
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: dataDir,
      ONETAKE_BOOTSTRAP_KEY: KEY,
      ONETAKE_LOG_LEVEL: 'silent',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const bare = spawn(process.execPath, [fileURLToPath(import.meta.url), 'bare'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = Promise.all([gateway, bare].map((child) => once(child, 'exit')));
  try {
    await within(rounds(gateway, bare, signal));
  } finally {
    bare.kill();
    gateway.kill();
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function rounds(gateway: ChildProcess, bare: ChildProcess, signal: AbortSignal): Promise<void> {
  const base = await outputMatch(gateway, 'stderr', /listening on (\S+)/);
  const path = await finishedTask(base);
  const answer = await fetch(`${base}${path}`, { headers: { authorization: `Bearer ${KEY}` } });
  const body = await answer.text();
  const bareBase = await outputMatch(bare, 'stdout', /(http:\S+)/);
  await fetch(`${bareBase}/`, { method: 'PUT', body });

  const rates: { bare: number; gateway: number }[] = [];
  await measure(bareBase, path, signal);
  await measure(base, path, signal);
  for (let round = 1; round <= ROUNDS; round++) {
    const rate = {
      bare: await measure(bareBase, path, signal),
      gateway: await measure(base, path, signal),
    };
    rates.push(rate);
    print(`round ${round}`, rate.bare, rate.gateway);
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  print('median', median(rates.map((r) => r.bare)), median(rates.map((r) => r.gateway)));
  console.log(
    `ratio (median of rounds)  ${median(rates.map((r) => r.gateway / r.bare)).toFixed(2)}   body ${body.length} bytes`,
  );
}

function print(label: string, bare: number, gateway: number): void {
  const rate = (value: number) => `${Math.round(value)}/s`.padStart(9);
  console.log(
    `${label.padEnd(9)} node:http ${rate(bare)}   onetake ${rate(gateway)}   ${(gateway / bare).toFixed(2)}`,
  );
}

/** Each measurement runs in a process of its own, so that the client does not share the servers' event loop. */
async function measure(base: string, path: string, signal: AbortSignal): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'load', base, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  });
  // Its exit informs whoever waits.
  child.on('error', () => undefined);
  return Number(await outputMatch(child, 'stdout', /rate (\S+)/));
}

async function load(base: string, path: string): Promise<void> {
  const request = { path, method: 'GET' as const, headers: { authorization: `Bearer ${KEY}` } };
  let answered = 0;
  const until = performance.now() + ROUND_MS;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const client = new Client(base, { pipelining: PIPELINING });
      const lane = async () => {
        while (performance.now() < until) {
          const { statusCode, body } = await client.request(request);
          await body.dump();
          if (statusCode !== 200) throw new Error(`${base}${path} answered ${statusCode}`);
          answered += 1;
        }
      };
      await Promise.all(Array.from({ length: PIPELINING }, lane));
      await client.close();
    }),
  );
  console.log(`rate ${answered / (ROUND_MS / 1000)}`);
}

/** The least that a server can do: look up the key and the id, and send bytes. */
async function serveBare(): Promise<void> {
  const keys = new Set([hash('sha256', KEY, 'hex')]);
  let body = Buffer.alloc(0);
  const server = createServer((request, response) => {
    if (request.method === 'PUT') {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        body = Buffer.concat(chunks);
        response.end();
      });
      return;
    }
    const key = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (!keys.has(hash('sha256', key, 'hex'))) {
      response.writeHead(401).end();
      return;
    }
    response.writeHead(200, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': body.length,
    });
    response.end(body);
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address) console.log(`http://127.0.0.1:${address.port}`);
  });
  process.once('SIGTERM', () => process.exit(0));
}

async function finishedTask(base: string): Promise<string> {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const submitted = await fetch(`${base}/v1/video/generations`, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      model: 'onetake-preview',
      prompt: 'a quiet lake at dawn',
      duration: 1,
      resolution: '480p',
    }),
  });
  const { task_id: id } = (await submitted.json()) as { task_id: string };
  const path = `/v1/video/generations/${id}`;
  for (;;) {
    const answer = await fetch(`${base}${path}?wait=30`, { headers });
    const { status } = (await answer.json()) as { status: string };
    if (status === 'succeeded') return path;
    if (status === 'failed') throw new Error('the task failed');
  }
}

function outputMatch(child: ChildProcess, stream: 'stdout' | 'stderr', pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child[stream]?.on('data', (chunk: Buffer) => {
      text += chunk;
      const found = pattern.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) =>
      reject(new Error(`exited with ${code} before printing ${pattern}: ${text}`)),
    );
  });
}
