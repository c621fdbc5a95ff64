import { type Simulators, startSimulators } from '@onetake/simulators';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { tempFolder } from '../../support/tempFolder.ts';

/** A server of one's own; a second of its time lasts 5 ms. */
async function aServer(): Promise<Simulators> {
  const server = await startSimulators({ only: ['vllm-omni'], scale: 0.005, limits: false });
  onTestFinished(() => server.close());
  return server;
}

const urlOf = ({ urls }: Simulators): string => `${urls['vllm-omni']}/v1`;

/** A fleet of these servers, each with two places. */
const fleetOf = (servers: Readonly<Record<string, Simulators>>): string => `
accounts:
  gpus:
    provider: openai
    api_key: { env: GPU_KEY }
    models: [sora-2]
    limits: { in_flight: 2 }
    lost_after_seconds: 1
    members:
${Object.entries(servers)
  .map(([name, server]) => `      ${name}: { base_url: '${urlOf(server)}' }`)
  .join('\n')}
models:
  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

async function aGateway(
  servers: Readonly<Record<string, Simulators>>,
  options: { dataDir?: string } = {},
): Promise<TestGateway> {
  const [first] = Object.values(servers);
  const env = { GPU_KEY: first?.keys['vllm-omni'] ?? '', ONETAKE_PREVIEW_CONCURRENCY: '0' };
  const t = await startTestGateway(env, { file: fleetOf(servers), ...options });
  onTestFinished(() => t.end());
  return t;
}

const BOAT = { model: 'sora-2', prompt: 'a paper boat', duration: 4 };
const submit = async (t: TestGateway, prompt = BOAT.prompt): Promise<string> => {
  const { body } = await t.submit({ ...BOAT, prompt });
  expect(body.task_id, JSON.stringify(body)).toBeDefined();
  return body.task_id;
};
async function ended(t: TestGateway, id: string): Promise<Json> {
  for (;;) {
    const { body } = await t.json(`/v1/video/generations/${id}?wait=30`);
    if (body.status === 'succeeded' || body.status === 'failed') return body;
  }
}
const jobsOf = (server: Simulators): number => server.ledger.jobs().length;
const metric = async (t: TestGateway, name: string, account: string): Promise<number> =>
  Number(
    (await (await t.call('/metrics')).text()).match(
      new RegExp(`^${name}\\{account="${account}"\\} (\\S+)`, 'm'),
    )?.[1],
  );

it('a fleet divides its tasks, never gives a server more than its places, and keeps each job where it is', async () => {
  const [a, b] = [await aServer(), await aServer()];
  const t = await aGateway({ a, b });
  const ids = await Promise.all(Array.from({ length: 8 }, (_, n) => submit(t, `[hold] boat ${n}`)));
  await eventually(() => expect([jobsOf(a), jobsOf(b)]).toEqual([2, 2]));
  expect(await metric(t, 'onetake_account_places_used', 'gpus.a')).toBe(2);
  let most = 0;
  const finishing = setInterval(() => {
    // As many as a server has in its hands, because all its jobs are held.
    for (const server of [a, b]) most = Math.max(most, server.finishAll());
  }, 50);
  onTestFinished(() => clearInterval(finishing));
  const tasks = await Promise.all(ids.map((id) => ended(t, id)));
  expect(tasks.map(({ status }) => status)).toEqual(Array(8).fill('succeeded'));
  expect(jobsOf(a) + jobsOf(b)).toBe(8);
  for (const server of [a, b]) {
    // Polls, downloads and everything else about a job have reached the server that has it.
    expect(
      server.ledger.requests().filter(({ method, status }) => method !== 'HEAD' && status === 404),
    ).toEqual([]);
  }
  expect(most).toBe(2);
});

it('a fleet goes on without a server that is killed, and says what became of its jobs', async () => {
  const [a, b] = [await aServer(), await aServer()];
  const t = await aGateway({ a, b });
  const held = await Promise.all(['[hold] one', '[hold] two'].map((prompt) => submit(t, prompt)));
  await eventually(() => expect([jobsOf(a), jobsOf(b)]).toEqual([1, 1]));
  await b.close();
  const rest = await Promise.all(Array.from({ length: 6 }, (_, n) => submit(t, `boat ${n}`)));
  // The server works on one job after the other, and the held one is the first.
  a.finishAll();
  for (const id of rest) expect(await ended(t, id)).toMatchObject({ status: 'succeeded' });
  const states = await Promise.all(held.map((id) => ended(t, id)));
  expect(states.map(({ status }) => status).sort()).toEqual(['failed', 'succeeded']);
  const failed = states.find(({ status }) => status === 'failed');
  expect(failed.error).toMatchObject({ code: 502, reason: 'upstream_unavailable' });
  expect(await metric(t, 'onetake_account_blocked', 'gpus.b')).toBe(1);
  expect(await metric(t, 'onetake_account_blocked', 'gpus.a')).toBe(0);
  expect(await metric(t, 'onetake_account_places_used', 'gpus.b')).toBe(0);
});

it('a member that is added while the gateway runs gets tasks, and one that is removed finishes its own', async () => {
  const [a, b] = [await aServer(), await aServer()];
  const t = await aGateway({ a });
  const held = await Promise.all(['[hold] one', '[hold] two'].map((prompt) => submit(t, prompt)));
  await eventually(() => expect(jobsOf(a)).toBe(2));
  const waiting = await submit(t, 'waits for a place');
  await t.reload(fleetOf({ a, b }));
  expect(await ended(t, waiting)).toMatchObject({ status: 'succeeded' });
  expect([jobsOf(a), jobsOf(b)]).toEqual([2, 1]);

  await t.reload(fleetOf({ b }));
  a.finishAll();
  for (const id of held) expect(await ended(t, id)).toMatchObject({ status: 'succeeded' });
  expect(await ended(t, await submit(t, 'another'))).toMatchObject({ status: 'succeeded' });
  expect([jobsOf(a), jobsOf(b)]).toEqual([2, 2]);
  expect(await (await t.call('/metrics')).text()).not.toContain('gpus.a');

  await t.reload(`${fleetOf({ a, b }).replace('in_flight: 2', 'in_flight: 1')}\nlink_ttl_hours: 3\n`);
  expect(await metric(t, 'onetake_account_places', 'gpus.b')).toBe(1);
  const line = t.log.find((text) => text.includes('config.needs_restart'));
  expect(JSON.parse(line ?? '{}').changes).toEqual(['link_ttl_hours']);
});

it('a job of a member that is removed before a restart is finished where it is', async () => {
  const [a, b] = [await aServer(), await aServer()];
  const dataDir = await tempFolder();
  const before = await aGateway({ a }, { dataDir });
  const id = await submit(before, '[hold] one');
  await eventually(() => expect(jobsOf(a)).toBe(1));
  await before.gateway.close();
  const t = await aGateway({ b }, { dataDir });
  expect(await metric(t, 'onetake_account_places_used', 'gpus.a')).toBe(1);
  a.finishAll();
  expect(await ended(t, id)).toMatchObject({ status: 'succeeded' });
  expect([jobsOf(a), jobsOf(b)]).toEqual([1, 0]);
});
