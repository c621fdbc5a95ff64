import { type Simulators, startSimulators } from '@onetake/simulators';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { declaredDefinition } from '../../../src/providers/declared/definition.ts';
import { eventually } from '../../support/eventually.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { shipped } from './world.ts';

const MODEL = 'comfyui-wan2.2-5b';
const BOAT = { model: MODEL, duration: 1, resolution: '720p', seed: undefined };

async function aServer(): Promise<Simulators> {
  const server = await startSimulators({ only: ['comfyui'], scale: 0.005, limits: false });
  onTestFinished(() => server.close());
  return server;
}

/** Two servers, each with two places. */
async function aFleet(servers: Readonly<Record<string, Simulators>>): Promise<TestGateway> {
  const [first] = Object.values(servers);
  const members = Object.entries(servers).map(([name, { urls }]) => [name, { base_url: urls.comfyui }]);
  const gpus = {
    provider: 'comfyui',
    api_key: { env: 'GPU_KEY' },
    limits: { in_flight: 2, min_poll_interval_ms: 100 },
    lost_after_seconds: 1,
    members: Object.fromEntries(members),
  };
  const models = { [MODEL]: { typical: { medianSeconds: 1, p90Seconds: 2 } } };
  const env = { GPU_KEY: first?.keys.comfyui ?? '', ONETAKE_PREVIEW_CONCURRENCY: '0' };
  const t = await startTestGateway(env, { file: JSON.stringify({ accounts: { gpus }, models }) });
  onTestFinished(() => t.end());
  return t;
}

async function submit(t: TestGateway, prompt: string): Promise<string> {
  const { body } = await t.submit({ ...BOAT, prompt });
  expect(body.task_id, JSON.stringify(body)).toBeDefined();
  return body.task_id;
}

async function ended(t: TestGateway, id: string) {
  for (;;) {
    const { body } = await t.json(`/v1/video/generations/${id}?wait=30`);
    if (body.status === 'succeeded' || body.status === 'failed') return body;
  }
}

const jobsOf = ({ ledger }: Simulators): number => ledger.jobs().length;

describe('a fleet of a declared provider for servers of one’s own', () => {
  it('divides its tasks, and uploads, polls, downloads and stops each job at the server that has it', async () => {
    const [a, b] = [await aServer(), await aServer()];
    const t = await aFleet({ a, b });
    const held = await Promise.all(
      ['one', 'two', 'three', 'four'].map((name) => submit(t, `[hold] ${name}`)),
    );
    await eventually(() => expect([jobsOf(a), jobsOf(b)]).toEqual([2, 2]));
    const [stopped = '', ...others] = held;
    expect((await t.call(`/v1/video/generations/${stopped}/cancel`, { method: 'POST' })).status).toBe(202);
    expect(await ended(t, stopped)).toMatchObject({ status: 'failed', error: { reason: 'cancelled' } });
    const finishing = setInterval(() => [a, b].map((server) => server.finishAll()), 50);
    onTestFinished(() => clearInterval(finishing));
    for (const id of others) expect(await ended(t, id)).toMatchObject({ status: 'succeeded' });
    // A server forgets the job that it was told to stop, and is asked about it until that counts as its end.
    const refused = [a, b].flatMap(({ ledger }) => {
      const own = ledger.jobs().map(({ id }) => id);
      const isOwn = (path: string) => own.some((id) => path.includes(id));
      return ledger
        .requests()
        .filter(({ method, status, path }) => method !== 'HEAD' && status === 404 && !isOwn(path));
    });
    expect(refused).toEqual([]);
  });

  it('goes on without a server that is killed, and says what became of its jobs', async () => {
    const [a, b] = [await aServer(), await aServer()];
    const t = await aFleet({ a, b });
    const held = await Promise.all(['[hold] one', '[hold] two'].map((prompt) => submit(t, prompt)));
    await eventually(() => expect([jobsOf(a), jobsOf(b)]).toEqual([1, 1]));
    await b.close();
    a.finishAll();
    const rest = await Promise.all([1, 2, 3].map((n) => submit(t, `[quick] boat ${n}`)));
    for (const id of rest) expect(await ended(t, id)).toMatchObject({ status: 'succeeded' });
    const states = await Promise.all(held.map((id) => ended(t, id)));
    expect(states.map(({ status }) => status).sort()).toEqual(['failed', 'succeeded']);
    expect(states.find(({ status }) => status === 'failed').error).toMatchObject({
      code: 502,
      reason: 'upstream_unavailable',
    });
    expect(await (await t.call('/metrics')).text()).toContain('onetake_account_blocked{account="gpus.b"} 1');
  });
});

it('a declared provider of a service has no members, and the error says what the file must say', () => {
  const read = (provider: string) =>
    readAccounts({
      file: { fleet: { provider, api_key: { env: 'KEY' }, members: { a: { base_url: 'http://gpu-a' } } } },
      env: { KEY: 'k' },
      definitions: [declaredDefinition(shipped(provider))],
    });
  expect(read('comfyui')).toMatchObject({
    problems: [],
    accounts: [{ id: 'fleet.a', member: { fleet: 'fleet', server: 'http://gpu-a' } }],
  });
  expect(read('luma').problems).toEqual([
    'accounts.fleet.members: are for servers of your own, not for accounts of a service. If luma runs on your own servers, say self_hosted: true in its file.',
  ]);
});
