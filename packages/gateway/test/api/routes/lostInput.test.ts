import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import { startSimulators } from '@onetake/simulators';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Json, startTestGateway } from '../../support/gateway.ts';

const VIDEO = { model: 'sora-2', size: '720x1280', prompt: 'a paper boat' };
const PNG = createCanvas(720, 1280).toBuffer('image/png');
const IMAGE = `data:image/png;base64,${PNG.toString('base64')}`;

/** A gateway with one account that has one place, which is taken until `free` is called. */
async function busyGateway() {
  const simulators = await startSimulators({ only: ['openai'], scale: 0.02, limits: false });
  onTestFinished(() => simulators.close());
  const gateway = await startTestGateway(
    { SIMULATOR_KEY: simulators.keys.openai ?? '' },
    {
      file: `
models:
  sora-2: { typical: { medianSeconds: 3, p90Seconds: 4 } }
accounts:
  one:
    provider: openai
    base_url: ${simulators.urls.openai}/v1
    api_key: { env: SIMULATOR_KEY }
    models: [sora-2]
    limits: { in_flight: 1, min_poll_interval_ms: 100 }
`,
    },
  );
  onTestFinished(() => gateway.end());
  await gateway.submit({ ...VIDEO, prompt: 'takes the place [hold]' });
  await eventually(() => expect(simulators.ledger.jobs({ upstream: 'openai' })).toHaveLength(1));
  return {
    gateway,
    jobs: () => simulators.ledger.jobs({ upstream: 'openai' }),
    free: () => void simulators.finishAll(),
  };
}

const change = async (path: string): Promise<void> => {
  const bytes = await readFile(path);
  const at = bytes.length - 20;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(path, bytes);
};

it.each([
  ['is gone', (path: string) => rm(path)],
  ['has changed', change],
])(
  'a task whose stored image %s before it is sent fails with a clear error, and is not sent',
  async (_what, spoil) => {
    const { gateway, jobs, free } = await busyGateway();
    const { status, body: submitted } = await gateway.submit({ ...VIDEO, image: IMAGE });
    expect(status).toBe(200);
    const folder = join(gateway.dataDir, 'media', 'input');
    for (const image of await readdir(folder)) await spoil(join(folder, image));
    expect(jobs(), 'the place is still taken').toHaveLength(1);
    free();

    const ended = async (): Promise<Json> => {
      const { body: task } = await gateway.json(`/v1/video/generations/${submitted.task_id}?wait=30`);
      return task.status === 'failed' || task.status === 'succeeded' ? task : ended();
    };
    expect(await ended()).toMatchObject({
      status: 'failed',
      error: { reason: 'internal_error', message: expect.stringMatching(/input.*submit the task again/) },
    });
    expect(jobs()).toHaveLength(1);
    expect(gateway.log.map((line) => JSON.parse(line).event)).toContain('media.damaged');
  },
  60_000,
);
