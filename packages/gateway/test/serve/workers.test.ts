import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { QUICK } from '../support/gateway.ts';
import { onetake } from '../support/processes/commandLine.ts';
import { serveProcess } from '../support/processes/process.ts';
import { bucketSettings, closeBuckets, freshBucket } from '../support/servers/bucket.ts';
import { freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';

afterAll(closeBuckets);

type Line = Readonly<Record<string, unknown>>;

/** How long a process may take to start on a busy machine. Milliseconds. */
const START_MS = 120_000;

const both = (one: number, two: number) =>
  new Map([
    ['1', one],
    ['2', two],
  ]);

const settings = async () => ({
  ONETAKE_DATA_DIR: await tempFolder(),
  ONETAKE_DATABASE_URL: await freshDatabase(),
  ONETAKE_LOG_FORMAT: 'json',
  ...bucketSettings(await freshBucket()),
});

/** A gateway with two workers, once both serve. */
async function twoWorkers() {
  const log: Line[] = [];
  const file = join(await tempFolder(), 'onetake.yaml');
  await writeFile(file, 'retention_hours: 100\n');
  const serving = await serveProcess(
    { ...(await settings()), ONETAKE_WORKERS: '2', ONETAKE_CONFIG: file },
    (child) => {
      // Its workers end by themselves.
      onTestFinished(() => kill(child));
      if (child.stdout) createInterface(child.stdout).on('line', (line) => log.push(JSON.parse(line)));
    },
  );
  const events = (event: string) => log.filter((line) => line.event === event);
  await eventually(
    () => expect(new Set(events('gateway.listening').map(({ worker }) => worker)).size).toBe(2),
    START_MS,
  );
  return { ...serving, file, events };
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** A client that opens a connection for each request. */
function clientOf(base: string, key: string) {
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    connection: 'close',
  };
  async function ask(path: string, init: RequestInit = {}): Promise<Response> {
    const answer = await fetch(`${base}${path}`, { ...init, headers });
    expect(answer.status).toBe(200);
    return answer;
  }
  return {
    async submit(): Promise<string> {
      const answer = await ask('/v1/video/generations', { method: 'POST', body: JSON.stringify(QUICK) });
      const { task_id } = (await answer.json()) as { task_id: string };
      return task_id;
    },
    async status(id: string): Promise<string> {
      const answer = await ask(`/v1/video/generations/${id}`);
      return ((await answer.json()) as { status: string }).status;
    },
    /** The lines of a metric without labels. */
    async line(name: string): Promise<string[]> {
      const text = await (await ask('/metrics')).text();
      return text.split('\n').filter((line) => line.startsWith(`${name} `));
    },
    /** The values of a metric, by worker. */
    async metric(name: string): Promise<Map<string, number>> {
      const text = await (await ask('/metrics')).text();
      const found = text.matchAll(new RegExp(`^${name}\\{(?:[^}]*,)?worker="(\\d+)"[^}]*\\} (\\S+)$`, 'gm'));
      return new Map([...found].map(([, worker = '', value]) => [worker, Number(value)]));
    },
  };
}

// Four starts, one after the other.
it('two workers serve one port, and one that is killed is started again', async () => {
  const { base, greeting, stop, file, events } = await twoWorkers();
  const [key = '', ...others] = greeting.match(/(?<=^ {4})sk-\S+$/gm) ?? [];
  expect(others).toEqual([]);
  const gateway = clientOf(base, key);
  /** Also of those that a busy machine starts too slowly. */
  const exits = (number: number) => events('worker.exited').filter(({ worker }) => worker === number).length;

  // A connection each, which the kernel gives to one of the workers.
  const ids: string[] = [];
  await eventually(async () => {
    ids.push(await gateway.submit());
    expect(new Set(events('task.accepted').map(({ worker }) => worker))).toEqual(new Set([1, 2]));
  }, START_MS);
  for (const id of [...ids, ...ids]) expect(await gateway.status(id)).not.toBe('failed');
  for (let scrape = 0; scrape < 4; scrape++) {
    const accepted = await gateway.metric('onetake_tasks_accepted_total');
    expect([...accepted.keys()].sort()).toEqual(['1', '2']);
    expect(Math.min(...accepted.values())).toBeGreaterThan(0);
    expect([...accepted.values()].reduce((a, b) => a + b, 0)).toBe(ids.length);
  }
  expect(await gateway.metric('onetake_webhook_pending')).toEqual(new Map());
  expect(await gateway.line('onetake_webhook_pending')).toEqual(['onetake_webhook_pending 0']);

  // With it, no gateway starts.
  await writeFile(file, 'retention_hours: soon\n');
  const killed = events('worker.started').findLast(({ worker }) => worker === 2);
  const before = events('gateway.listening').length;
  // What a worker that hangs has been given ends with it.
  process.kill(Number(killed?.pid), 'SIGSTOP');
  const asked = Array.from({ length: 24 }, () =>
    fetch(`${base}/healthz`, { headers: { connection: 'close' } }),
  );
  await Promise.any(asked);
  process.kill(Number(killed?.pid), 'SIGKILL');
  await Promise.allSettled(asked);
  await eventually(() => expect(events('gateway.listening').length).toBeGreaterThan(before), START_MS);
  expect(events('worker.exited').at(-1)).toMatchObject({
    level: 'error',
    worker: 2,
    pid: killed?.pid,
    signal: 'SIGKILL',
  });
  for (const id of ids)
    await eventually(async () => expect(await gateway.status(id)).toBe('succeeded'), START_MS);
  await eventually(() =>
    expect(events('config.reload_failed').some(({ worker }) => worker === 2)).toBe(true),
  );
  expect(events('config.loopback_host')).toEqual([]);
  expect(await gateway.metric('onetake_worker_restarts_total')).toEqual(both(exits(1), exits(2)));
  expect(await gateway.metric('onetake_worker_up')).toEqual(both(1, 1));

  const ended = [exits(1), exits(2)];
  expect(await stop()).toBe(0);
  expect(new Set(events('gateway.stopped').map(({ worker }) => worker))).toEqual(new Set([1, 2]));
  expect([exits(1), exits(2)]).toEqual(ended);
}, 400_000);

it.each([
  ['without its database', async () => ({ ONETAKE_DATABASE_URL: 'postgres://nobody@127.0.0.1:1/onetake' })],
  ['on a port that is taken', async () => ({ ONETAKE_PORT: String(await takenPort()) })],
])(
  'a gateway that cannot start %s ends as it would without workers: at once, with the exit code and words of one',
  async (_name, wrong) => {
    const alone = { ...(await settings()), ...(await wrong()) };
    const withTwo = await onetake(
      { ...alone, ONETAKE_DATA_DIR: await tempFolder(), ONETAKE_WORKERS: '2' },
      'serve',
    );
    const withOne = await onetake(alone, 'serve');
    expect(withOne.code).not.toBe(0);
    expect(withTwo.code).toBe(withOne.code);
    expect(withTwo.stderr).toBe(withOne.stderr);
    expect(withTwo.stdout).not.toContain('worker.given_up');
  },
  400_000,
);

async function takenPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
