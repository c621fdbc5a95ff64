import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStorage } from '../../src/media/files/storage.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { newId } from '../../src/tasks/ids.ts';
import { aMediaRow, anAcceptance, aRequest, aTask } from '../support/builders.ts';
import { type Json, QUICK } from '../support/gateway.ts';
import { type ServingProcess, serveProcess } from '../support/processes/process.ts';

let dataDir: string;
const running = new Set<ChildProcess>();
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'onetake-'));
});
afterEach(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  running.clear();
  await rm(dataDir, { recursive: true, force: true });
});

const serve = (env: Record<string, string> = {}): Promise<ServingProcess> =>
  serveProcess({ ONETAKE_DATA_DIR: dataDir, ...env }, (child) => running.add(child));

const call = async (
  base: string,
  path: string,
  key: string,
  init: RequestInit = {},
): Promise<{ status: number; body: Json }> => {
  const response = await fetch(base + path, {
    ...init,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...init.headers },
  });
  return { status: response.status, body: await response.json() };
};

/** Resolves once the server has received the request; its response comes later. */
async function arrivedQuery(url: string, key: string): Promise<{ answer: Promise<IncomingMessage> }> {
  const query = request(url, {
    agent: false,
    headers: { authorization: `Bearer ${key}`, expect: '100-continue' },
  });
  const answer = once(query, 'response').then(([response]: IncomingMessage[]) => {
    if (!response) throw new Error('no response');
    return response.resume();
  });
  query.flushHeaders();
  await once(query, 'continue');
  query.end();
  return { answer };
}

const submit = (base: string, key: string, body: unknown) =>
  call(base, '/v1/video/generations', key, { method: 'POST', body: JSON.stringify(body) });

async function succeeded(base: string, id: string, key: string): Promise<Json> {
  for (;;) {
    const { body } = await call(base, `/v1/video/generations/${id}?wait=30`, key);
    if (body.status === 'succeeded' || body.status === 'failed') return body;
  }
}

describe('a first start', () => {
  it('prints the address, the docs page, and a key with a curl line that works; a second start prints no key', async () => {
    const first = await serve();
    const key = /^\s+(sk-\S+)$/m.exec(first.greeting)?.[1] ?? '';
    expect(first.greeting).toContain(`${first.base}/docs`);
    expect(first.greeting).toContain(`curl ${first.base}/v1/video/generations`);
    expect((await submit(first.base, key, QUICK)).status).toBe(200);
    first.child.kill('SIGTERM');
    await once(first.child, 'exit');

    expect(first.greeting).toContain('    onetake keys create --name');

    const second = await serve();
    expect(second.greeting).not.toContain('sk-');
    expect((await call(second.base, '/v1/models', key)).status).toBe(200);
  });

  it('prints where it listens and its public URL, if that is another one', async () => {
    const { base, greeting } = await serve({ ONETAKE_PUBLIC_URL: 'https://video.example.com' });
    expect(base).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect(greeting).toMatch(/public URL is +https:\/\/video\.example\.com\n/);
    expect(greeting).toContain('https://video.example.com/docs');
  });

  it('wrong settings are all reported at once, and nothing starts', async () => {
    await expect(
      serve({ ONETAKE_PORT: 'http', ONETAKE_LOG_LEVEL: 'loud', ONETAKE_PROT: '1' }),
    ).rejects.toThrow(
      /exited with 2(?=[\s\S]*ONETAKE_PORT: must be a whole number)(?=[\s\S]*ONETAKE_LOG_LEVEL)(?=[\s\S]*ONETAKE_PROT: there is no such setting)/,
    );
  });

  it('a second gateway on the same data folder is refused', async () => {
    await serve();
    await expect(serve()).rejects.toThrow(/ONETAKE_DATA_DIR/);
  });

  it('a port in use is reported in one line that names the settings, and the process ends', async () => {
    const { base } = await serve();
    const other = await mkdtemp(join(tmpdir(), 'onetake-'));
    await expect(serve({ ONETAKE_DATA_DIR: other, ONETAKE_PORT: new URL(base).port })).rejects.toThrow(
      /^exited with 1: Cannot listen on .*EADDRINUSE.*ONETAKE_PORT[^\n]*\n$/,
    );
    await rm(other, { recursive: true, force: true });
  });

  it('prints only the greeting, and no warning of a library', async () => {
    expect((await serve()).greeting).toMatch(/^\n {2}Onetake is listening/);
  });
});

describe('stopping', () => {
  const KEY = 'sk-process-0123456789abcdef';

  it('with SIGTERM exits with code 0 and releases held queries; the next start finishes the tasks', async () => {
    const { child, base } = await serve({ ONETAKE_BOOTSTRAP_KEY: KEY });
    const ids: string[] = [];
    for (let seed = 0; seed < 5; seed++) ids.push((await submit(base, KEY, { ...QUICK, seed })).body.task_id);
    const held = await arrivedQuery(`${base}/v1/video/generations/${ids[4]}?wait=60`, KEY);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect((await held.answer).statusCode).toBe(200);
    expect(await exited).toEqual([0, null]);

    const again = await serve({ ONETAKE_BOOTSTRAP_KEY: KEY });
    for (const id of ids) expect((await succeeded(again.base, id, KEY)).status).toBe('succeeded');
  });

  it('with SIGTERM answers a held query, and ends an event stream', async () => {
    const { id } = await leaveRunning(dataDir);
    const { child, base } = await serve({ ONETAKE_BOOTSTRAP_KEY: KEY });
    const url = `${base}/v1/video/generations/${id}`;
    const events = await fetch(`${url}/events`, { headers: { authorization: `Bearer ${KEY}` } });
    const held = await arrivedQuery(`${url}?wait=60`, KEY);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect((await held.answer).statusCode).toBe(200);
    expect(await events.text()).toMatch(/^event: task\n/);
    expect(await exited).toEqual([0, null]);
  });

  it('with SIGTERM waits for a slow download no longer than the drain timeout', async () => {
    const { id, videoBytes } = await leaveFinished(dataDir);
    const { child, base } = await serve({
      ONETAKE_BOOTSTRAP_KEY: KEY,
      ONETAKE_DRAIN_TIMEOUT_SECONDS: '1',
    });
    const download = request(`${base}/v1/video/generations/${id}/content`, {
      agent: false,
      headers: { authorization: `Bearer ${KEY}` },
    });
    download.end();
    const [response]: IncomingMessage[] = await once(download, 'response');
    expect(response?.headers['content-length']).toBe(String(videoBytes));
    const cut = once(response ?? download, 'error');
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
    response?.resume();
    await cut;
  });

  it('with kill -9 in the middle of rendering loses nothing', async () => {
    const { child, base } = await serve({ ONETAKE_BOOTSTRAP_KEY: KEY });
    const { body } = await submit(base, KEY, { ...QUICK, duration: 6 });
    for (let status = 'queued'; status === 'queued'; ) {
      status = (await call(base, `/v1/video/generations/${body.task_id}?wait=30`, KEY)).body.status;
    }
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;

    const again = await serve({ ONETAKE_BOOTSTRAP_KEY: KEY });
    expect(await succeeded(again.base, body.task_id, KEY)).toMatchObject({
      status: 'succeeded',
      duration: 6,
    });
  });

  it('is not caused by a crash of native code, which fails or repeats a render', async () => {
    const { child, base } = await serve({ ONETAKE_BOOTSTRAP_KEY: KEY });
    const { body } = await submit(base, KEY, { ...QUICK, duration: 6 });
    for (let status = 'queued'; status === 'queued'; ) {
      status = (await call(base, `/v1/video/generations/${body.task_id}?wait=30`, KEY)).body.status;
    }
    for (const pid of await childrenOf(child.pid ?? 0)) process.kill(pid, 'SIGSEGV');
    expect((await succeeded(base, body.task_id, KEY)).status).toBe('succeeded');
    expect((await call(base, '/readyz', KEY)).body.status).toBe('ready');
  });
});

/** Leaves a task that runs upstream and never finishes there. */
async function leaveRunning(dir: string): Promise<{ id: string }> {
  const store = await openSqliteStore({ dir, exclusive: true });
  const now = Date.now();
  const task = aTask({
    projectId: 'default',
    phase: 'running',
    request: aRequest({ model: 'onetake-preview' }),
    createdAt: now,
    deadlineAt: now + 3_600_000,
    attempt: {
      number: 1,
      accountId: 'preview',
      idempotencyKey: newId(),
      upstreamModel: 'onetake-preview',
      intendedAt: now,
      upstreamId: newId(),
      submittedAt: now,
    },
  });
  await store.accept(anAcceptance(task));
  await store.close();
  return { id: task.id };
}

/** Leaves a finished task with a video larger than all buffers between the gateway and a client. */
async function leaveFinished(dir: string): Promise<{ id: string; videoBytes: number }> {
  const store = await openSqliteStore({ dir, exclusive: true });
  const now = Date.now();
  const video = Buffer.alloc(64 * 2 ** 20);
  const expiresAt = now + 3_600_000;
  const row = aMediaRow({ projectId: 'default', bytes: video.length, createdAt: now, expiresAt });
  const write = await createFileStorage({ root: join(dir, 'media') }).write(row.storageKey);
  await write.append(Readable.from([video]), 0);
  await write.commit();
  const task = aTask({
    projectId: 'default',
    phase: 'succeeded',
    createdAt: now,
    completedAt: now,
    result: {
      videoId: row.id,
      bytes: video.length,
      sha256: '0'.repeat(64),
      duration: 4,
      width: 1280,
      height: 720,
      videoCodec: 'h264',
      expiresAt,
      costMicros: 0,
    },
  });
  await store.accept(anAcceptance(task, { media: [{ ...row, taskId: task.id }] }));
  await store.close();
  return { id: task.id, videoBytes: video.length };
}

async function childrenOf(pid: number): Promise<number[]> {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
