import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import { startSimulators } from '@onetake/simulators';
import OpenAI, { toFile } from 'openai';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import { eventually } from '../../support/eventually.ts';
import { type Json, KEY, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { bucketSettings, ownS3 } from '../../support/servers/bucket.ts';
import { freshDatabase } from '../../support/servers/database.ts';
import { flakyServer } from '../../support/servers/flakyServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const VIDEO = { model: 'onetake-preview', prompt: 'a paper boat', duration: 1, size: '854x480' };
const PNG = createCanvas(854, 480).toBuffer('image/png');

const clientOf = (t: TestGateway) =>
  new OpenAI({ baseURL: `${t.gateway.address}/v1`, apiKey: KEY, maxRetries: 0 });
const upload = async (t: TestGateway, bytes: Buffer = PNG) =>
  clientOf(t).files.create({ file: await toFile(bytes, 'boat.png'), purpose: 'vision' });

async function ended(t: TestGateway, id: string): Promise<Json> {
  for (;;) {
    const { body } = await t.json(`/v1/video/generations/${id}?wait=30`);
    if (body.status === 'failed' || body.status === 'succeeded') return body;
  }
}

it('a file is there after a restart, with its bytes', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'onetake-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const before = await startTestGateway({}, { dataDir });
  const file = await upload(before);
  await before.end();

  const after = await startTestGateway({}, { dataDir });
  onTestFinished(() => after.end());
  expect(await clientOf(after).files.retrieve(file.id)).toEqual(file);
  const content = await clientOf(after).files.content(file.id);
  expect(Buffer.from(await content.arrayBuffer()).equals(PNG)).toBe(true);
  const { body } = await after.submit({ ...VIDEO, image: file.id });
  expect(await ended(after, body.task_id)).toMatchObject({ status: 'succeeded' });
});

it('an upload that a stop cuts off leaves nothing behind', async () => {
  const dataDir = await tempFolder();
  const t = await startTestGateway({ ONETAKE_DRAIN_TIMEOUT_SECONDS: '1' }, { dataDir });
  const cut = request(`${t.gateway.address}/v1/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'multipart/form-data; boundary=b' },
  });
  cut.on('error', () => undefined);
  cut.write('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n');
  cut.write('x'.repeat(100_000));
  const stored = async () =>
    (await readdir(dataDir, { recursive: true })).filter((path) => /^media\/.*\.\w+$/.test(path));
  await eventually(async () => expect(await stored()).toHaveLength(1));
  await t.gateway.close();
  expect(await stored()).toEqual([]);
  const store = await openSqliteStore({ dir: dataDir, exclusive: true });
  onTestFinished(() => store.close());
  const later = Date.now() + 1000;
  expect(await store.sweepable(later, later, 10)).toEqual([]);
});

it('a file that is deleted while its task waits for a place still reaches the upstream', async () => {
  const simulators = await startSimulators({ only: ['openai'], scale: 0.02, limits: false });
  onTestFinished(() => simulators.close());
  const account = `
models:
  sora-2: { typical: { medianSeconds: 3, p90Seconds: 4 } }
accounts:
  one:
    provider: openai
    base_url: ${simulators.urls.openai}/v1
    api_key: { env: SIMULATOR_KEY }
    models: [sora-2]
    limits: { in_flight: 1, min_poll_interval_ms: 100 }
`;
  const t = await startTestGateway({ SIMULATOR_KEY: simulators.keys.openai ?? '' }, { file: account });
  onTestFinished(() => t.end());
  const jobs = () => simulators.ledger.jobs({ upstream: 'openai' });
  const video = { model: 'sora-2', size: '720x1280', prompt: 'a paper boat' };
  await t.submit({ ...video, prompt: 'takes the place [hold]' });
  await eventually(() => expect(jobs()).toHaveLength(1));

  const file = await upload(t, createCanvas(720, 1280).toBuffer('image/png'));
  const made = await clientOf(t).videos.create({
    model: 'sora-2',
    size: '720x1280',
    prompt: 'a paper boat',
    // The types of the SDK know links only.
    input_reference: { file_id: file.id } as unknown as { image_url: string },
  });
  await clientOf(t).files.delete(file.id);
  expect(await readdir(join(t.dataDir, 'media', 'file'))).toEqual([]);
  expect(jobs(), 'the place is still taken').toHaveLength(1);
  // The upstream makes a job only of an image of exactly this size.
  simulators.finishAll();
  await eventually(() => expect(jobs()).toHaveLength(2));
  expect((await clientOf(t).videos.retrieve(made.id)).error).toBeNull();
}, 60_000);

/** Nodes of one database and one bucket. */
async function cluster(nodes: number, limits: Record<string, string> = {}): Promise<TestGateway[]> {
  const s3 = await ownS3();
  const settings = {
    ONETAKE_DATABASE_URL: await freshDatabase(),
    ...bucketSettings({ ...s3, credentials: s3 }),
    ...limits,
  };
  const started: TestGateway[] = [];
  for (let node = 0; node < nodes; node++) started.push(await gatewayOf(settings));
  return started;
}

/** A gateway that ends with the test. */
async function gatewayOf(settings: Record<string, string>): Promise<TestGateway> {
  const t = await startTestGateway(settings, { dataDir: await tempFolder() });
  onTestFinished(() => t.end());
  return t;
}

const STORAGE_MB = { ONETAKE_FILE_STORAGE_MB: '3' };

it.each([
  ['one gateway', async () => [await gatewayOf(STORAGE_MB)]],
  ['two nodes', () => cluster(2, STORAGE_MB)],
])(
  'uploads that arrive at once, at %s, take no more than the project may keep',
  async (_where, start) => {
    const nodes = await start();
    const padded = Buffer.concat([PNG, Buffer.alloc(1_800_000)]);
    const answers = await Promise.allSettled(
      Array.from({ length: 8 }, (_, at) => upload(nodes[at % nodes.length] as TestGateway, padded)),
    );
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    expect(refused.map(({ status, code }) => [status, code])).toEqual(Array(7).fill([409, 'storage_limit']));
    const [first] = nodes as [TestGateway];
    expect((await clientOf(first).files.list()).data).toMatchObject([{ bytes: padded.length }]);
    // Nothing that was refused still counts.
    expect(await upload(first)).toMatchObject({ bytes: PNG.length });
  },
  60_000,
);

it('a file that one node has taken in is used and deleted at another', async () => {
  const [one, other] = (await cluster(2)) as [TestGateway, TestGateway];
  const file = await upload(one);
  expect((await clientOf(other).files.list()).data).toEqual([file]);
  const content = await clientOf(other).files.content(file.id);
  expect(Buffer.from(await content.arrayBuffer()).equals(PNG)).toBe(true);
  const { body } = await other.submit({ ...VIDEO, image: file.id });
  await clientOf(other).files.delete(file.id);
  await expect(clientOf(one).files.retrieve(file.id)).rejects.toThrow(OpenAI.NotFoundError);
  expect(await ended(one, body.task_id)).toMatchObject({ status: 'succeeded' });
}, 60_000);

describe('while the bucket is down', () => {
  async function world() {
    const s3 = await ownS3();
    const flaky = await flakyServer(s3);
    const t = await startTestGateway(bucketSettings({ ...s3, endpoint: flaky.endpoint, credentials: s3 }));
    onTestFinished(() => t.end());
    return {
      t,
      fail: () => {
        flaky.fate = () => ({ answer: (response) => response.writeHead(403).end() });
      },
      recover: () => {
        flaky.fate = () => 'pass';
      },
    };
  }

  it('an upload is a 503 and leaves nothing behind; afterwards it works', async () => {
    const { t, fail, recover } = await world();
    fail();
    const refused = await upload(t).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OpenAI.InternalServerError);
    expect(refused).toMatchObject({ status: 503, code: 'storage_unavailable' });
    expect((await clientOf(t).files.list()).data).toEqual([]);
    expect(await readdir(join(t.dataDir, 'scratch', 'file')).catch(() => [])).toEqual([]);
    recover();
    expect(await upload(t)).toMatchObject({ bytes: PNG.length });
  });

  it('a request that uses a file is a 503, and makes no task', async () => {
    const { t, fail, recover } = await world();
    const file = await upload(t);
    fail();
    const { status, body } = await t.submit({ ...VIDEO, image: file.id });
    expect([status, body.error.reason]).toEqual([503, 'storage_unavailable']);
    recover();
    expect((await t.json('/v1/video/generations')).body.data).toEqual([]);
  });

  it('a file is deleted for everyone, and its bytes are left to the sweep', async () => {
    const { t, fail } = await world();
    const file = await upload(t);
    fail();
    expect(await clientOf(t).files.delete(file.id)).toMatchObject({ deleted: true });
    await expect(clientOf(t).files.retrieve(file.id)).rejects.toThrow(OpenAI.NotFoundError);
    await t.gateway.close();
    const store = await openSqliteStore({ dir: t.dataDir, exclusive: true });
    onTestFinished(() => store.close());
    expect(await store.sweepable(Date.now(), 0, 10)).toMatchObject([{ kind: 'file', name: 'boat.png' }]);
  });
});
