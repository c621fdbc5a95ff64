import { createAlibaba } from '@ai-sdk/alibaba';
import { probe } from '@onetake/video';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';
import { png } from '../support/png.ts';

let simulators: Simulators;
let alibaba: ReturnType<typeof createAlibaba>;

beforeEach(async () => {
  simulators = await startSimulators({ only: ['dashscope'], scale: 0.001 });
  const { DASHSCOPE_API_KEY: apiKey = '', DASHSCOPE_BASE_URL: videoBaseURL = '' } = simulators.environment;
  alibaba = createAlibaba({ apiKey, videoBaseURL });
});

afterEach(() => simulators.close());

const OPTIONS = {
  prompt: 'a paper boat [instant]',
  n: 1,
  aspectRatio: undefined,
  resolution: undefined,
  duration: undefined,
  fps: undefined,
  seed: undefined,
  image: undefined,
  frameImages: undefined,
  inputReferences: undefined,
  generateAudio: undefined,
  providerOptions: {},
} as const;

type Options = Parameters<NonNullable<ReturnType<typeof alibaba.video>['doStart']>>[0];

/** Starts a job and polls it once. */
async function run(model: string, options: Partial<Options> = {}) {
  const { doStart, doStatus } = methodsOf(model);
  const { operation } = await doStart({ ...OPTIONS, ...options });
  simulators.finishAll();
  return doStatus({ operation });
}

function methodsOf(model: string) {
  const video = alibaba.video(model);
  const { doStart, doStatus } = video;
  if (!doStart || !doStatus) throw new Error('the SDK cannot resume');
  return { doStart: doStart.bind(video), doStatus: doStatus.bind(video) };
}

const image = { type: 'file', mediaType: 'image/png', data: new Uint8Array(png(64, 36)) } as const;

describe('@ai-sdk/alibaba against the simulator', () => {
  it('generates a video of the requested size and length, from submission to bytes', async () => {
    const { status, ...rest } = await run('wan2.5-t2v-preview', { resolution: '832x480', duration: 5 });
    if (status !== 'completed' || !('videos' in rest)) throw new Error(JSON.stringify(rest));
    const [video] = rest.videos;
    if (video?.type !== 'url') throw new Error('no link');
    const bytes = Buffer.from(await (await fetch(video.url)).arrayBuffer());
    expect(await probe(bytes)).toMatchObject({ width: 832, height: 480, seconds: 5 });
    expect(simulators.ledger.count({ operation: 'submit' })).toBe(1);
    expect(simulators.ledger.bills()).toBe(1);
  });

  it.each([
    ['wan2.2-t2v-plus', { resolution: '832x480', duration: 5 }],
    // The SDK sends bytes as bare base64, but the documentation requires a data URL. So this uses a link.
    ['wan2.6-i2v', { resolution: '1280x720', image: { type: 'url', url: 'https://example.com/a.png' } }],
    ['wan2.6-r2v', { inputReferences: [{ type: 'url', url: 'https://example.com/a.png' }] }],
    ['wan2.7-t2v', { resolution: '1280x720', duration: 2, seed: 7 }],
    ['wan2.7-r2v', { inputReferences: [image] }],
    ['wan3.0-video', { resolution: '832x480', generateAudio: false }],
    [
      'wan3.0-video',
      {
        frameImages: [
          { frameType: 'first_frame', image },
          { frameType: 'last_frame', image },
        ],
      },
    ],
    ['wan3.0-video-prime', { inputReferences: [image, image] }],
  ] as [string, Partial<Options>][])('%s is asked in its own way and taken', async (model, options) => {
    expect(await run(model, options)).toMatchObject({ status: 'completed' });
  });

  it('fails a task with wrong parameters only after the submission', async () => {
    expect(await run('wan2.7-t2v', { duration: 16 })).toMatchObject({
      status: 'error',
      error: expect.stringContaining('duration 16'),
    });
  });

  it('reports a refused prompt at once and a refused video later', async () => {
    await expect(run('wan3.0-video', { prompt: 'x [moderation-input]' })).rejects.toMatchObject({
      statusCode: 400,
      data: { code: 'DataInspectionFailed' },
    });
    expect(await run('wan3.0-video', { prompt: 'x [moderation]' })).toMatchObject({
      status: 'error',
      error: expect.stringContaining('Output data may contain inappropriate content.'),
    });
  });

  it('is refused without a valid key', async () => {
    simulators.upstream('dashscope').accounts.set('default', 'revoked');
    await expect(run('wan3.0-video')).rejects.toMatchObject({
      statusCode: 401,
      data: { code: 'InvalidApiKey' },
    });
  });
});
