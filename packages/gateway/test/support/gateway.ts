import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config/config.ts';
import { type Gateway, startGateway } from '../../src/gateway.ts';
import { createLog } from '../../src/observability/log.ts';
import type { Clock } from '../../src/time/clock.ts';

export const KEY = 'sk-test-0123456789abcdefghij';

/** A whole gateway on a free port with a data folder of its own, and a client for it. */
export interface TestGateway {
  readonly gateway: Gateway;
  readonly dataDir: string;
  /** Its onetake.yaml has this text from now on. */
  reload(file: string): Promise<void>;
  /** Every line of its log. */
  readonly log: string[];
  /** A call with the bootstrap key, unless `key` says otherwise. */
  call(path: string, init?: RequestInit & { key?: string | null }): Promise<Response>;
  /** A call with a JSON response. */
  json(
    path: string,
    init?: RequestInit & { key?: string | null },
  ): Promise<{ status: number; headers: Headers; body: Json }>;
  submit(body: unknown, init?: RequestInit & { key?: string | null }): ReturnType<TestGateway['json']>;
  /** Submits the fastest video and waits until it has succeeded. */
  finished(body?: Record<string, unknown>): Promise<Json>;
  /** Ends it and removes its data. */
  end(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: tests read any field of responses, and then assert it
export type Json = any;

export const QUICK = {
  model: 'onetake-preview',
  prompt: 'a paper boat',
  duration: 1,
  resolution: '480p',
  seed: 1,
};

export async function startTestGateway(
  settings: Record<string, string> = {},
  { clock, dataDir, file }: { clock?: Clock; dataDir?: string /** onetake.yaml */; file?: string } = {},
): Promise<TestGateway> {
  const dir = dataDir ?? (await mkdtemp(join(tmpdir(), 'onetake-')));
  const log: string[] = [];
  const env = {
    ONETAKE_PORT: '0',
    ONETAKE_DATA_DIR: dir,
    ONETAKE_BOOTSTRAP_KEY: KEY,
    ONETAKE_LOG_LEVEL: 'debug',
    ...settings,
  };
  const configWith = (text: string | undefined) =>
    readConfig(env, (path) => (path === 'onetake.yaml' ? text : undefined));
  const gateway = await startGateway(
    configWith(file),
    createLog('debug', { write: (line: string) => void log.push(line) }),
    clock ? { clock } : {},
  );

  const call: TestGateway['call'] = (path, { key = KEY, ...init } = {}) =>
    fetch(new URL(path, gateway.address), {
      ...init,
      headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...init.headers },
    });
  const json: TestGateway['json'] = async (path, init) => {
    const response = await call(path, init);
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  const submit: TestGateway['submit'] = (body, init) =>
    json('/v1/video/generations', {
      method: 'POST',
      body:
        typeof body === 'string' || body instanceof Uint8Array
          ? (body as NonNullable<RequestInit['body']>)
          : JSON.stringify(body),
      ...init,
      headers: { 'content-type': 'application/json', ...init?.headers },
    });

  return {
    gateway,
    reload: (text) => gateway.reload(configWith(text)),
    dataDir: dir,
    log,
    call,
    json,
    submit,
    async finished(body = {}) {
      const { body: submitted } = await submit({ ...QUICK, ...body });
      if (!submitted.task_id) throw new Error(JSON.stringify(submitted));
      for (;;) {
        const { body: task } = await json(`/v1/video/generations/${submitted.task_id}?wait=30`);
        if (task.status === 'succeeded') return task;
        if (task.status === 'failed') throw new Error(JSON.stringify(task));
      }
    },
    async end() {
      await gateway.close();
      if (dataDir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}
