import { probe } from '@onetake/video';
import { expect, it, onTestFinished } from 'vitest';
import { startTestGateway } from '../../support/gateway.ts';
import { simulatorOf } from './world.ts';

const TYPICAL = { typical: { medianSeconds: 1, p90Seconds: 2 } };

it('a video of Kling is extended by its own id, and so is the extended one', async () => {
  const simulators = await simulatorOf('kling');
  onTestFinished(() => simulators.close());
  const env = simulators.environment;
  const account = {
    provider: 'kling',
    access_key: { env: 'KLING_ACCESS_KEY' },
    secret_key: { env: 'KLING_SECRET_KEY' },
    base_url: env.KLING_BASE_URL,
    limits: { min_poll_interval_ms: 100 },
  };
  const gateway = await startTestGateway(
    { ONETAKE_PREVIEW_CONCURRENCY: '0', ...env },
    {
      file: JSON.stringify({
        accounts: { mine: account },
        models: { 'kling-v1-6': TYPICAL, 'kling-v2-6': TYPICAL },
      }),
    },
  );
  onTestFinished(() => gateway.end());
  const model = 'kling-v1-6';
  const plain = { model, duration: 5, seed: undefined, resolution: undefined };
  const first = await gateway.finished({ ...plain, aspect_ratio: '9:16' });
  const second = await gateway.finished({ ...plain, prompt: 'it sails on', video_url: first.task_id });
  const third = await gateway.finished({ ...plain, prompt: 'and on', video_url: second.task_id });
  for (const [task, seconds] of [
    [second, 10],
    [third, 15],
  ] as const) {
    // As much as 5 s, in the shape of the source.
    expect(task).toMatchObject({ duration: seconds, size: '720x1280', usage: { cost: 0.28 } });
    const bytes = Buffer.from(await (await fetch(task.url)).arrayBuffer());
    expect(await probe(bytes)).toMatchObject({ width: 720, height: 1280, seconds });
  }
  const jobs = simulators.upstream('kling').jobs.all();
  expect(jobs.map(({ details }) => details)).toMatchObject([
    { kind: 'text2video' },
    { kind: 'video-extend', parent: { id: jobs[0]?.id } },
    { kind: 'video-extend', parent: { id: jobs[1]?.id } },
  ]);

  const { body: another } = await gateway.submit({ ...plain, model: 'kling-v2-6', prompt: 'a boat' });
  const { body: over } = await gateway.json(`/v1/video/generations/${another.task_id}?wait=30`);
  expect(over.status).toBe('succeeded');
  for (const [body, param] of [
    [{ video_url: first.task_id, duration: 10 }, 'duration'],
    [{ video_url: first.task_id, watermark: true }, 'watermark'],
    [{ video_url: another.task_id }, 'model'],
    [{ video_url: 'https://example.com/boat.mp4' }, 'video_url'],
  ] as const) {
    const refused = await gateway.submit({ ...plain, prompt: 'on', ...body });
    expect(refused).toMatchObject({ status: 400, body: { error: { param } } });
  }
  expect(simulators.ledger.bills()).toBe(4);
});
