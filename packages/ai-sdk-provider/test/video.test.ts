import { APICallError } from '@ai-sdk/provider';
import {
  experimental_generateVideo as generateVideo,
  experimental_getVideoStatus as getVideoStatus,
  experimental_startVideo as startVideo,
} from 'ai';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createOnetake, type OnetakeProvider } from '../src/index.ts';
import { KEY, startTestGateway, type TestGateway } from './support/gateway.ts';

/** A request to the gateway. */
interface Sent {
  readonly route: string;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

let gateway: TestGateway;
const sent: Sent[] = [];
/** How many answers of submits are lost from now on. */
let lost = 0;
let onetake: OnetakeProvider;

beforeAll(async () => {
  gateway = await startTestGateway();
  onetake = createOnetake({
    baseURL: gateway.url,
    apiKey: KEY,
    headers: { 'x-team': 'films' },
    fetch: recorded,
  });
});
afterAll(() => gateway.end());
beforeEach(() => {
  sent.length = 0;
  lost = 0;
});

const recorded: typeof fetch = async (input, init) => {
  const route = `${init?.method} ${new URL(String(input)).pathname}`;
  sent.push({ route, headers: new Headers(init?.headers), body: JSON.parse(String(init?.body ?? '{}')) });
  const response = await fetch(input, init);
  if (init?.method !== 'POST' || lost === 0) return response;
  lost -= 1;
  await response.arrayBuffer();
  throw new TypeError('the connection broke');
};

const submits = () => sent.filter(({ route }) => route === 'POST /v1/video/generations');
/** Without waiting for what tells nothing new. */
const poll = { intervalMs: 50 };
const QUICK = { prompt: 'a paper boat', duration: 1, resolution: '854x480', seed: 1 } as const;
const failed = (work: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(work).then(
    () => expect.unreachable('it should fail'),
    (error: unknown) => error,
  );

it('a video of the built-in model is made by generateVideo, and is playable', async () => {
  const { video, videos, warnings, responses, providerMetadata } = await generateVideo({
    model: onetake.video('onetake-preview'),
    ...QUICK,
    headers: { 'x-request': '17' },
  });
  expect(await gateway.probe(video.uint8Array)).toMatchObject({ ok: true, probe: { duration: 1 } });
  expect([videos.length, video.mediaType, warnings]).toEqual([1, 'video/mp4', []]);
  expect(responses).toMatchObject([{ modelId: 'onetake-preview' }]);
  expect(providerMetadata.onetake).toMatchObject({
    videos: [{ task_id: expect.stringMatching(/^video_/), status: 'succeeded', duration: 1 }],
  });
  expect(submits().map(({ body }) => body)).toEqual([
    { model: 'onetake-preview', prompt: 'a paper boat', duration: 1, size: '854x480', seed: 1 },
  ]);
  for (const { headers } of sent)
    expect([headers.get('x-team'), headers.get('x-request'), headers.get('user-agent')]).toEqual([
      'films',
      '17',
      expect.stringContaining('ai/7'),
    ]);
});

it('several videos are several tasks', async () => {
  const { videos, providerMetadata } = await generateVideo({
    model: onetake.video('onetake-preview'),
    ...QUICK,
    n: 2,
  });
  expect(videos).toHaveLength(2);
  const made = providerMetadata.onetake?.videos ?? expect.unreachable('it should tell of its tasks');
  const ids = (made as { task_id: string }[]).map(({ task_id: id }) => id);
  expect(new Set(ids).size).toBe(2);
});

it('frames, references and options of our own reach the gateway as its parameters', async () => {
  const { video } = await generateVideo({ model: onetake.video('onetake-preview'), ...QUICK });
  expect(video).toBeDefined();
  const { task_id: id } = await taskOf('onetake-preview');
  const poster = await fetch(`${gateway.url}/v1/video/generations/${id}/content?variant=thumbnail`, {
    headers: { authorization: `Bearer ${KEY}` },
  });
  const frame = new Uint8Array(await poster.arrayBuffer());
  const dataUrl = `data:image/jpeg;base64,${Buffer.from(frame).toString('base64')}`;
  sent.length = 0;

  const framed = await generateVideo({
    model: onetake.video('seedance-2.0'),
    prompt: { text: 'the boat sails', image: frame },
    frameImages: [
      { image: frame, frameType: 'first_frame' },
      { image: frame, frameType: 'last_frame' },
    ],
    duration: 4,
    generateAudio: false,
    providerOptions: { onetake: { resolution: '480p', metadata: { order: '17' } }, fal: { loop: true } },
    poll,
  });
  expect(await gateway.probe(framed.video.uint8Array)).toMatchObject({ ok: true, probe: { duration: 4 } });
  expect(submits()[0]?.body).toEqual({
    model: 'seedance-2.0',
    prompt: 'the boat sails',
    duration: 4,
    generate_audio: false,
    image: dataUrl,
    last_frame: dataUrl,
    resolution: '480p',
    metadata: { order: '17' },
  });
  expect(framed.providerMetadata.onetake).toMatchObject({ videos: [{ metadata: { order: '17' } }] });

  sent.length = 0;
  const referred = await generateVideo({
    model: onetake.video('seedance-2.0'),
    prompt: 'the boat sails',
    inputReferences: [frame],
    duration: 4,
    providerOptions: { onetake: { resolution: '480p' } },
    poll,
  });
  expect(await gateway.probe(referred.video.uint8Array)).toMatchObject({ ok: true });
  expect(submits()[0]?.body.references).toEqual([{ type: 'image', data: dataUrl }]);
  expect(gateway.simulators.ledger.jobs()).toHaveLength(2);
});

it('references keep their type, and one whose type nobody says is guessed with a warning', async () => {
  const url = 'https://example.com/boat';
  const error = await failed(
    startVideo({
      model: onetake.video('onetake-preview'),
      prompt: 'a boat',
      inputReferences: [{ data: `${url}.mp4?x=1` }, { data: url, mediaType: 'audio/mpeg' }, `${url}.png`],
    }),
  );
  expect(submits()[0]?.body.references).toEqual([
    { type: 'video', url: `${url}.mp4?x=1` },
    { type: 'audio', url },
    { type: 'image', url: `${url}.png` },
  ]);
  // The built-in model takes none, and the gateway says so.
  expect(error).toMatchObject({ name: 'AI_APICallError', statusCode: 400, isRetryable: false });
});

it('another model among the options is an error, because the call has one', async () => {
  const start = (model: string) =>
    startVideo({
      model: onetake.video('onetake-preview'),
      ...QUICK,
      providerOptions: { onetake: { model } },
    });
  expect(await failed(start('sora-2'))).toMatchObject({
    name: 'AI_InvalidArgumentError',
    message: expect.stringContaining('providerOptions.onetake.model is not onetake-preview'),
  });
  expect(submits()).toHaveLength(0);
  expect((await start('onetake-preview')).warnings).toEqual([]);
});

it('what does not reach the model is a warning', async () => {
  const { warnings } = await startVideo({
    model: onetake.video('onetake-preview'),
    prompt: 'a boat',
    n: 2,
    maxVideosPerCall: 2,
    fps: 30,
    aspectRatio: 'adaptive',
    duration: 4,
    providerOptions: { onetake: { duration: 1, resolution: '480p' } },
  });
  expect(warnings).toEqual([
    { type: 'unsupported', feature: 'n', details: expect.any(String) },
    { type: 'unsupported', feature: 'fps', details: expect.any(String) },
    { type: 'unsupported', feature: 'aspectRatio "adaptive"', details: expect.any(String) },
    { type: 'other', message: expect.stringContaining('providerOptions.onetake.duration') },
  ]);
  expect(submits()[0]?.body).toEqual({
    model: 'onetake-preview',
    prompt: 'a boat',
    duration: 1,
    resolution: '480p',
  });
});

it('a started video is asked for in another process, and its key makes one task of lost answers', async () => {
  lost = 2;
  const model = onetake.video('seedance-1.0-pro');
  const before = gateway.simulators.ledger.jobs().length;
  const { operation } = await startVideo({
    model,
    prompt: 'a boat [hold]',
    duration: 2,
    providerOptions: { onetake: { resolution: '480p' } },
  });
  const keys = new Set(submits().map(({ headers }) => headers.get('idempotency-key')));
  expect([submits().length, [...keys]]).toEqual([3, [expect.stringMatching(/^aisdk_vid_/)]]);

  const elsewhere = createOnetake({ baseURL: `${gateway.url}/v1`, apiKey: KEY }).video('seedance-1.0-pro');
  const stored = JSON.parse(JSON.stringify(operation));
  const status = () => getVideoStatus(elsewhere, { operation: stored });
  expect(await status()).toMatchObject({ status: 'pending' });
  await expect.poll(() => gateway.simulators.ledger.jobs().length - before).toBe(1);
  gateway.simulators.finishAll();
  await expect
    .poll(status)
    .toMatchObject({ status: 'completed', videos: [{ type: 'binary', mediaType: 'video/mp4' }] });
  expect(gateway.simulators.ledger.jobs().length - before).toBe(1);
});

it('a key of the caller is passed on, and answers with the same task', async () => {
  const start = () =>
    startVideo({
      model: onetake.video('onetake-preview'),
      ...QUICK,
      headers: { 'Idempotency-Key': 'order-17' },
    });
  expect((await start()).operation).toEqual((await start()).operation);
});

it('a task that fails says why, in each way of waiting', async () => {
  const options = {
    model: onetake.video('seedance-1.0-pro'),
    prompt: 'a boat [moderation-input]',
    duration: 2,
    providerOptions: { onetake: { resolution: '480p' } },
  };
  const message = expect.stringContaining('may contain sensitive information');
  expect(await failed(generateVideo(options))).toMatchObject({
    name: 'TaskFailedError',
    reason: 'content_rejected',
    message,
  });
  expect(await failed(generateVideo({ ...options, poll }))).toMatchObject({ message });
  const { operation } = await startVideo(options);
  await expect
    .poll(() => getVideoStatus(options.model, { operation }))
    .toMatchObject({
      status: 'error',
      error: message,
      providerMetadata: { onetake: { videos: [{ error: { reason: 'content_rejected' } }] } },
    });
});

it('a refused call is an APICallError, which nothing repeats', async () => {
  const error = await failed(
    generateVideo({ model: onetake('onetake-preview'), prompt: 'a boat', duration: 1000 }),
  );
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({
    statusCode: 400,
    responseBody: expect.stringContaining('"param":"duration"'),
  });
  expect(submits()).toHaveLength(1);
  expect(await failed(getVideoStatus(onetake('onetake-preview'), { operation: 'no task' }))).toBeInstanceOf(
    TypeError,
  );
});

it('the URL of a webhook is passed on', async () => {
  const url = 'https://hook.invalid/onetake';
  await startVideo({ model: onetake.video('onetake-preview'), ...QUICK, webhookUrl: url }).catch(
    () => undefined,
  );
  expect(submits()[0]?.body.webhook_url).toBe(url);
  const received = Promise.resolve({ headers: {}, body: null });
  expect(
    await onetake.video('onetake-preview').handleWebhookOption({ webhook: async () => ({ url, received }) }),
  ).toEqual({ webhookUrl: url, received });
});

it('a provider without a key or an address says what to set, and has no other models', async () => {
  const model = createOnetake({ baseURL: gateway.url }).video('onetake-preview');
  expect(await failed(generateVideo({ model, prompt: 'a boat' }))).toMatchObject({
    message: 'Set apiKey of createOnetake, or the variable ONETAKE_API_KEY.',
  });
  expect(() => onetake.imageModel('onetake-preview')).toThrow(/No such imageModel/);
});

async function taskOf(model: string): Promise<{ readonly task_id: string }> {
  const response = await fetch(
    `${gateway.url}/v1/video/generations?model=${model}&status=succeeded&limit=1`,
    {
      headers: { authorization: `Bearer ${KEY}` },
    },
  );
  const { data } = (await response.json()) as { data: { task_id: string }[] };
  return data[0] ?? expect.unreachable('there should be one');
}
