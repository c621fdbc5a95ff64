import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startSimulators } from '@onetake/simulators';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { probeVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { eventually } from '../../support/eventually.ts';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { tempFolder } from '../../support/tempFolder.ts';

/** As fast as the simulator. */
const QUICK_MODELS = `
models:
  seedance-1.0-pro: { typical: { medianSeconds: 1, p90Seconds: 2 } }
  seedance-1.5-pro: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

const ASKED = { model: 'seedance-1.0-pro', duration: 4, resolution: '480p' };

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

let simulators: Awaited<ReturnType<typeof startSimulators>>;
let gateway: TestGateway;
beforeAll(async () => {
  simulators = await startSimulators({ only: ['ark'], scale: 0.001, limits: false });
  gateway = await startTestGateway(
    { ...simulators.environment, ONETAKE_PREVIEW_CONCURRENCY: '0' },
    { file: QUICK_MODELS },
  );
}, 60_000);
afterAll(async () => {
  await gateway.end();
  await simulators.close();
});

/** The task after its end, successful or not. */
async function over(body: Record<string, unknown>): Promise<Json> {
  const { body: submitted } = await gateway.submit({ ...ASKED, ...body });
  for (;;) {
    const { body: task } = await gateway.json(`/v1/video/generations/${submitted.task_id}?wait=30`);
    if (task.status === 'succeeded' || task.status === 'failed') return task;
  }
}

const videos = () => join(gateway.dataDir, 'media', 'video');

/** What callers get: the headers and the measured video. */
async function given(task: Json) {
  const response = await gateway.call(`/v1/video/generations/${task.task_id}/content`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const path = join(await tempFolder(), 'given');
  await writeFile(path, bytes);
  const verdict = await probeVideo(native, path);
  if (!verdict.ok) throw new Error(verdict.detail);
  return { headers: response.headers, bytes, probe: verdict.probe };
}

describe('an upstream that delivers another container', { timeout: 60_000 }, () => {
  it.each([
    ['webm', { model: 'seedance-1.5-pro', generate_audio: true }, { videoCodec: 'vp9', audioCodec: 'opus' }],
    ['mov', { model: 'seedance-1.5-pro', generate_audio: true }, { videoCodec: 'h264', audioCodec: 'aac' }],
    ['mov', {}, { videoCodec: 'h264' }],
  ])('is stored as MP4 with unchanged packets: %s %j', async (form, asked, codecs) => {
    const task = await over({ ...asked, prompt: `a paper boat [${form}]` });
    expect(task.error).toBeUndefined();
    expect(task).toMatchObject({ status: 'succeeded', format: 'mp4', video_codec: codecs.videoCodec });
    const { headers, bytes, probe } = await given(task);
    expect(headers.get('content-type')).toBe('video/mp4');
    expect(probe).toMatchObject({ container: 'mp4', ...codecs });
    expect(`${probe.width}x${probe.height}`).toBe(task.size);
    expect([probe.duration, probe.audioCodec, bytes.length]).toEqual([
      task.duration,
      task.audio_codec,
      task.bytes,
    ]);
    expect(probe.duration).toBeCloseTo(4, 1);
    // The index comes before the data.
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'));
    expect(
      gateway.log.some((line) => line.includes('video.remuxed') && line.includes(task.task_id.slice(6))),
    ).toBe(true);
  });

  it('is remuxed again after its stored bytes were damaged', async () => {
    const task = await over({ prompt: 'a paper boat [mov]' });
    const { bytes } = await given(task);
    const [name = ''] = (await readdir(videos())).filter((file) => file.includes(task.task_id.slice(6)));
    await writeFile(join(videos(), name), Buffer.alloc(bytes.length));
    await eventually(async () => {
      const response = await gateway.call(`/v1/video/generations/${task.task_id}/content`);
      expect(bytes.equals(Buffer.from(await response.arrayBuffer()))).toBe(true);
    });
    // It is removed once the other one is stored.
    await eventually(async () => expect(await readdir(videos())).not.toContain(name));
  });

  it('a web page instead of a video is a clear failure without a charge', async () => {
    const task = await over({ prompt: 'a paper boat [page]' });
    expect(task).toMatchObject({ status: 'failed', error: { reason: 'result_unusable', code: 502 } });
    expect(task.error.message).toContain('not charged');
    expect(task.usage).toBeUndefined();
    // The operator sees what was delivered.
    expect(gateway.log.join('')).toContain('No video here');
    expect((await gateway.call(`/v1/video/generations/${task.task_id}/content`)).status).toBe(409);
  });

  it('a shorter video is reported, and charged, as it is', async () => {
    const whole = await over({ prompt: 'a paper boat' });
    const half = await over({ prompt: 'a paper boat [short]' });
    expect(half).toMatchObject({ status: 'succeeded', duration: 2, usage: { seconds: 2 } });
    expect(whole.usage.cost).toBeGreaterThan(0);
    // 24 frames a second and one more: 49 of 97.
    expect(half.usage.cost).toBeCloseTo((whole.usage.cost * 49) / 97, 5);
  });
});
