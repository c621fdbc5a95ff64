import { startSimulators } from '@onetake/simulators';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../../../../scripts/servers/freePort.ts';
import { startTestGateway } from '../../support/gateway.ts';

/** Limits for the quick simulator, for tests without callbacks. */
const QUICK_MODEL = `
models:
  seedance-1.0-pro: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

async function world(settings: Record<string, string> = {}, file = QUICK_MODEL) {
  const simulators = await startSimulators({ only: ['ark'], scale: 0.001, limits: false });
  onTestFinished(() => simulators.close());
  const environment = { ...simulators.environment, ONETAKE_PREVIEW_CONCURRENCY: '0', ...settings };
  const gateway = await startTestGateway(environment, { file });
  onTestFinished(() => gateway.end());
  return { simulators, gateway };
}

const SMALL = { model: 'seedance-1.0-pro', duration: 2, resolution: '480p', generate_audio: false };

it('a Seedance task goes through the whole gateway, and its bytes are those of Ark', async () => {
  const { simulators, gateway } = await world();
  const task = await gateway.finished({ ...SMALL, prompt: 'a paper boat --rs 1080p', seed: 3 });
  expect(task).toMatchObject({ status: 'succeeded', size: '864x480' });
  const response = await gateway.call(`/v1/video/generations/${task.task_id}/content`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const [job] = simulators.ledger.jobs();
  // The simulator writes the id of the task at the end of each video.
  expect(bytes.includes(job?.id ?? 'nothing')).toBe(true);
  expect(job).toMatchObject({ model: 'doubao-seedance-1-0-pro-250528', bills: [{ unit: 'tokens' }] });
  expect(simulators.ledger.count({ operation: 'submit' })).toBe(1);
  expect(simulators.ledger.count({ operation: 'delete' })).toBe(0);
  expect(gateway.log.join('')).not.toContain(simulators.keys.ark);
});

it('a task that Ark refuses because of its content fails with the message of Ark and costs nothing', async () => {
  const { simulators, gateway } = await world();
  const { body } = await gateway.submit({ ...SMALL, prompt: 'a paper boat [moderation-input]' });
  const { body: task } = await gateway.json(`/v1/video/generations/${body.task_id}?wait=30`);
  expect(task).toMatchObject({
    status: 'failed',
    error: {
      code: 400,
      reason: 'content_rejected',
      message: 'The request failed because the input text may contain sensitive information.',
    },
  });
  expect(simulators.ledger.jobs()).toEqual([]);
});

it('a submission with a lost answer costs one video, which arrives', async () => {
  const { simulators, gateway } = await world();
  simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
  const task = await gateway.finished({ ...SMALL, prompt: 'a paper boat' });
  expect(task.status).toBe('succeeded');
  expect(simulators.ledger.jobs()).toHaveLength(1);
  expect(simulators.ledger.bills()).toBe(1);
});

it('with callbacks, the end of a task is known long before the next poll', async () => {
  const port = String(await freePort());
  const publicUrl = `http://127.0.0.1:${port}`;
  // With the typical times of the catalogue the first poll would be half a minute away.
  const { simulators, gateway } = await world({ ONETAKE_PORT: port, ONETAKE_PUBLIC_URL: publicUrl }, '');
  const task = await gateway.finished({ ...SMALL, prompt: 'a paper boat' });
  expect(task.status).toBe('succeeded');
  const [delivery] = simulators.deliveries();
  expect(delivery).toMatchObject({ outcome: 204 });
  const address = new URL(delivery?.url ?? '');
  address.searchParams.set('token', 'guessed');
  expect((await fetch(address, { method: 'POST', body: delivery?.body ?? '' })).status).toBe(401);
  expect(gateway.log.join('')).not.toContain(new URL(delivery?.url ?? '').searchParams.get('token'));
});

it('the video of an earlier task is a reference, which Ark can fetch by a link of the gateway', async () => {
  const port = String(await freePort());
  const publicUrl = `http://127.0.0.1:${port}`;
  const { simulators, gateway } = await world({ ONETAKE_PORT: port, ONETAKE_PUBLIC_URL: publicUrl }, '');
  const first = await gateway.finished({ ...SMALL, prompt: 'a paper boat' });
  const body = { model: 'seedance-2.0', prompt: 'like Video 1', duration: 4, resolution: '480p' };
  const references = [{ type: 'video', video_id: first.task_id }];
  const second = await gateway.finished({ ...body, references });
  expect(second.status).toBe('succeeded');
  const [, job] = simulators.upstream('ark').jobs.all();
  const { links: [link = ''] = [] } = Object(job?.details) as { links?: string[] };
  expect(link).toMatch(new RegExp(`^${publicUrl}/media/[0-9a-f]{32}\\.mp4\\?expires=\\d+&signature=`));
  const fetched = await fetch(link);
  expect(fetched.headers.get('content-type')).toBe('video/mp4');
  const own = await gateway.call(`/v1/video/generations/${first.task_id}/content`);
  expect(Buffer.from(await fetched.arrayBuffer()).equals(Buffer.from(await own.arrayBuffer()))).toBe(true);
  // The seconds of the reference were held and paid.
  expect(second.usage.cost).toBeGreaterThan(6 * 0.04);
});

it('the tokens that Ark reports are charged, so that a reference swapped for a longer one is paid', async () => {
  const quick = `${QUICK_MODEL}\n  seedance-2.0: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;
  const { simulators, gateway } = await world({ ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1' }, quick);
  const first = await gateway.finished({ ...SMALL, prompt: 'a paper boat' });
  const body = { model: 'seedance-2.0', prompt: 'like Video 1', duration: 4, resolution: '480p' };
  // Two seconds were measured. The simulator bills five, as if another video were behind the link by then.
  const references = [{ type: 'video', url: first.url }];
  const second = await gateway.finished({ ...body, references });
  const tokens = Math.floor((864 * 496 * (24 * (4 + 5) + 1)) / 1024);
  expect(simulators.ledger.jobs()[1]).toMatchObject({ bills: [{ unit: 'tokens', quantity: tokens }] });
  expect(second.usage.cost).toBeCloseTo((tokens * 28) / 6.5 / 1e6, 5);
});

it('without a public URL, a video that came without a link is refused before anything is sent', async () => {
  const { simulators, gateway } = await world();
  const first = await gateway.finished({ ...SMALL, prompt: 'a paper boat' });
  const references = [{ type: 'video', video_id: first.task_id }];
  const { status, body } = await gateway.submit({
    model: 'seedance-2.0',
    prompt: 'like Video 1',
    references,
  });
  expect(status).toBe(400);
  expect(body.error).toMatchObject({
    param: 'references[0]',
    message: expect.stringMatching(/fetches videos itself; give a public url.*ONETAKE_PUBLIC_URL/),
  });
  const foreign = [{ type: 'video', video_id: `video_${'0'.repeat(32)}` }];
  const unknown = await gateway.submit({
    model: 'seedance-2.0',
    prompt: 'like Video 1',
    references: foreign,
  });
  expect(unknown.body.error.message).toMatch(/^references\[0\]: video_id names no video of your project/);
  expect(simulators.ledger.count({ operation: 'submit' })).toBe(1);
});

it('an account at BytePlus uses the model names of BytePlus', async () => {
  const simulators = await startSimulators({ only: ['ark-byteplus'], scale: 0.001, limits: false });
  onTestFinished(() => simulators.close());
  const gateway = await startTestGateway(
    { BYTEPLUS_KEY: simulators.keys['ark-byteplus'] ?? '', ONETAKE_PREVIEW_CONCURRENCY: '0' },
    {
      file: `${QUICK_MODEL}
accounts:
  seedance:
    provider: ark
    region: byteplus
    api_key: { env: BYTEPLUS_KEY }
    base_url: ${simulators.urls['ark-byteplus']}/api/v3
    delete_after_collect: true
`,
    },
  );
  onTestFinished(() => gateway.end());
  expect((await gateway.finished({ ...SMALL, prompt: 'a paper boat' })).status).toBe('succeeded');
  expect(simulators.ledger.jobs()).toMatchObject([{ model: 'seedance-1-0-pro-250528' }]);
  await expect.poll(() => simulators.upstream('ark-byteplus').jobs.all()).toEqual([]);
});
