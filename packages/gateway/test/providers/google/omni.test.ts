import { json } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { answerOf, readInteraction } from '../../../src/providers/google/omni/wire.ts';
import { type Job, UpstreamError } from '../../../src/providers/provider.ts';
import type { InputRef, VideoRequest } from '../../../src/tasks/request.ts';
import { imageReferences } from '../../support/builders.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { aJob, handleOf, OMNI_MODEL, open, openAccount, signal } from './world.ts';

const PIXELS = Buffer.from('the bytes of an image');
const IMAGES = { first: PIXELS, last: PIXELS, cat: PIXELS };
const input = (mediaId: keyof typeof IMAGES): InputRef => ({
  mediaId,
  contentType: 'image/png',
  bytes: PIXELS.length,
  width: 1280,
  height: 720,
});
const IMAGE = { type: 'image', data: PIXELS.toString('base64'), mime_type: 'image/png' };

function omniJob(changes: Partial<VideoRequest> = {}): Job {
  const job = aJob('gemini', changes, IMAGES, OMNI_MODEL);
  return { ...job, request: { ...job.request, protocol: 'interactions' } };
}

/** An account at a server that answers calls about interactions and files. */
async function at(answers: Readonly<Record<string, unknown>>) {
  const seen: { call: string; key: unknown; body: unknown }[] = [];
  const server = await serve(async (request, response) => {
    const call = `${request.method} ${request.url}`;
    const body = request.method === 'POST' ? await json(request).catch(() => undefined) : undefined;
    seen.push({ call, key: request.headers['x-goog-api-key'], body });
    const answer = answers[call];
    response.statusCode = answer === undefined ? 404 : 200;
    response.setHeader('content-type', 'application/json');
    response.end(answer === undefined ? '{}' : JSON.stringify(answer));
  });
  const { provider } = await openAccount({ GEMINI_API_KEY: 'secret' }, { base_url: server.origin });
  onTestFinished(() => provider.close());
  return { provider, seen, origin: server.origin };
}

const CREATE = 'POST /v1beta/interactions';

/** The body of the creation that a request leads to. */
async function sent(changes: Partial<VideoRequest>): Promise<unknown> {
  const { provider, seen } = await at({ [CREATE]: { id: 'v1_a', status: 'in_progress' } });
  const started = await provider.submit(omniJob(changes), sending(signal()));
  expect(started).toEqual({ upstreamId: 'interactions/v1_a', state: 'in_progress' });
  expect(seen).toMatchObject([{ call: CREATE, key: 'secret' }]);
  return seen[0]?.body;
}

describe('a request for Omni', () => {
  it('is known by the protocol of its catalogue entry, whatever the model is called upstream', async () => {
    const { provider, seen } = await at({ [CREATE]: { id: 'v1_a', status: 'in_progress' } });
    await provider.submit({ ...omniJob(), upstreamModel: 'tuned/boats' }, sending(signal()));
    await expect(
      provider.submit(aJob('gemini', {}, {}, 'gemini-omni-of-veo'), sending(signal())),
    ).rejects.toBeInstanceOf(UpstreamError);
    expect(seen.map(({ call }) => call)).toEqual([
      CREATE,
      'POST /v1beta/models/gemini-omni-of-veo:predictLongRunning',
    ]);
  });

  it('is one interaction in the background, whose video is delivered as a file', async () => {
    const body = await sent({ prompt: 'a paper boat', duration: 5, resolution: '360p', aspectRatio: '9:16' });
    expect(body).toEqual({
      model: OMNI_MODEL,
      background: true,
      input: 'a paper boat',
      response_format: {
        type: 'video',
        delivery: 'uri',
        duration: '5s',
        resolution: '360p',
        aspect_ratio: '9:16',
      },
      generation_config: { video_config: { task: 'text_to_video' } },
    });
  });

  it.each<[Partial<VideoRequest>, string | undefined, string]>([
    [{ image: input('first') }, 'image_to_video', '[# Sources <FIRST_FRAME>@Image1] a boat'],
    [
      { image: input('first'), lastFrame: input('last') },
      'image_to_video',
      '[# Sources <FIRST_FRAME>@Image1 <LAST_FRAME>@Image2] a boat',
    ],
    [
      { references: imageReferences(input('cat'), input('first')) },
      'reference_to_video',
      '[# References <IMAGE_REF_0>@Image1 <IMAGE_REF_1>@Image2] a boat',
    ],
    [
      { image: input('first'), references: imageReferences(input('cat')) },
      undefined,
      '[# Sources <FIRST_FRAME>@Image1] [# References <IMAGE_REF_0>@Image2] a boat',
    ],
  ])('declares what its images are for: %o', async (images, task, text) => {
    const body = await sent({ prompt: 'a boat', ...images });
    const count = [...text.matchAll(/@Image/g)].length;
    expect(body).toMatchObject({ input: [...Array(count).fill(IMAGE), { type: 'text', text }] });
    const config = task === undefined ? undefined : { video_config: { task } };
    expect((body as Record<string, unknown>).generation_config).toEqual(config);
  });

  it('keeps a prompt that refers to its images itself', async () => {
    const prompt = 'in the style of <IMAGE_REF_0> a boat';
    const body = await sent({ prompt, references: imageReferences(input('cat')) });
    expect(body).toMatchObject({ input: [IMAGE, { type: 'text', text: prompt }] });
  });

  it('takes no provider options but those that change neither the price nor what the gateway depends on', async () => {
    const providerOptions = {
      generation_config: { seed: 7, thinking_level: 'high', video_config: { task: 'extend' } },
      generationConfig: { seed: 7 },
      previous_interaction_id: 'v1_b',
      previousInteractionId: 'v1_b',
      response_format: { duration: '10s', sample_count: 4 },
      responseFormat: { duration: '15s', resolution: '4k' },
      service_tier: 'priority',
      serviceTier: 'priority',
      system_instruction: 'a long text',
      cached_content: 'cachedContents/a',
      a_member_of_next_year: true,
      labels: { team: 'a' },
    };
    const { provider } = await at({});
    const { request, upstreamModel } = omniJob({ providerOptions });
    expect(await provider.refusedOptions(request, upstreamModel)).toEqual([
      'generation_config.thinking_level',
      'generation_config.video_config',
      'generationConfig',
      'previous_interaction_id',
      'previousInteractionId',
      'response_format',
      'responseFormat',
      'service_tier',
      'serviceTier',
      'system_instruction',
      'cached_content',
      'a_member_of_next_year',
    ]);
    await expect(provider.submit(omniJob({ providerOptions }), sending(signal()))).rejects.toMatchObject({
      reason: 'invalid_request',
      created: 'no',
    });
    const allowed = { generation_config: { seed: 7 }, labels: { team: 'a' } };
    expect(await sent({ providerOptions: allowed })).toMatchObject({
      generation_config: { seed: 7, video_config: { task: 'text_to_video' } },
      labels: { team: 'a' },
    });
  });
});

const FILE = 'https://generativelanguage.googleapis.com/v1beta/files/ak5xpg0kiews:download?alt=media';
/** As recorded by a client of the service. */
const COMPLETED = {
  id: 'v1_a',
  status: 'completed',
  updated: '2026-10-08T18:25:29Z',
  usage: { output_tokens_by_modality: [{ modality: 'video', tokens: 17_376 }] },
  steps: [
    { type: 'user_input', content: [{ type: 'text', text: 'a boat' }] },
    { type: 'thought', signature: 'x'.repeat(100) },
    { type: 'model_output', content: [{ uri: FILE, mime_type: 'video/mp4', type: 'video' }] },
  ],
};

describe('a completed interaction', () => {
  const GET = 'GET /v1beta/interactions/v1_a';
  const STATE = 'GET /v1beta/files/ak5xpg0kiews';
  const polled = async (answers: Readonly<Record<string, unknown>>) => {
    const world = await at(answers);
    const handle = handleOf(omniJob(), 'interactions/v1_a');
    return { ...world, handle, answer: await world.provider.poll(handle, signal()) };
  };

  it('has a video once its file is active, which is downloaded from the own address with the key', async () => {
    const { provider, handle, answer, seen } = await polled({
      [GET]: COMPLETED,
      [STATE]: { state: 'ACTIVE' },
      [`${STATE}:download?alt=media`]: 'the video',
    });
    expect(answer).toMatchObject({
      state: 'succeeded',
      result: { ref: FILE },
      endedAt: Date.parse('2026-10-08T18:25:29Z'),
    });
    if (answer.state !== 'succeeded') return;
    const { stream } = await provider.open(handle, answer.result, 0, signal());
    expect(JSON.parse((await readAll(stream)).toString())).toBe('the video');
    expect(seen.every(({ key }) => key === 'secret')).toBe(true);
  });

  it('is still running while its file is processed, and has failed if that failed', async () => {
    const state = async (word: string) => {
      const { answer } = await polled({ [GET]: COMPLETED, [STATE]: { state: word } });
      return answer;
    };
    expect(await state('PROCESSING')).toEqual({ state: 'in_progress' });
    expect(await state('FAILED')).toMatchObject({ state: 'failed', reason: 'upstream_failed' });
    // A server that does not tell, or in words that are not known.
    expect((await state('READY')).state).toBe('succeeded');
    expect((await polled({ [GET]: COMPLETED })).answer.state).toBe('succeeded');
  });
});

it('an interaction is read without the images of its input, however large, whichever call it answers', async () => {
  const image = { ...IMAGE, data: Buffer.alloc(8 * 2 ** 20).toString('base64') };
  const steps = [{ type: 'user_input', content: [image, { type: 'text', text: '"data":"x' }] }];
  const running = { id: 'v1_a', status: 'in_progress', steps };
  const { provider } = await at({
    [CREATE]: running,
    'GET /v1beta/interactions/v1_a': running,
    'POST /v1beta/interactions/v1_a/cancel': { ...running, status: 'cancelled' },
  });
  const job = omniJob();
  const started = await provider.submit(job, sending(signal()));
  expect(started).toEqual({ upstreamId: 'interactions/v1_a', state: 'in_progress' });
  const handle = handleOf(job, started.upstreamId);
  expect(await provider.poll(handle, signal())).toEqual({ state: 'in_progress' });
  expect(await provider.cancel?.(handle, signal())).toBe('cancelled');
});

describe('an interaction', () => {
  const read = (interaction: Record<string, unknown>) =>
    answerOf(
      readInteraction({ id: 'v1_a', status: 'x', ...interaction }, String),
      (interaction.meaning ?? 'succeeded') as Parameters<typeof answerOf>[1],
      { expiresAt: 1, scrub: (text) => text.replaceAll('s3cret', '[secret]') },
    );

  it('that is completed with words instead of a video was declined, in these words', () => {
    const said = { type: 'model_output', content: [{ type: 'text', text: 'I cannot show that.' }] };
    expect(read({ steps: [{ type: 'thought' }, said] })).toMatchObject({
      state: 'failed',
      reason: 'content_rejected',
      message: 'I cannot show that.',
    });
    expect(read({ steps: [] })).toMatchObject({ state: 'failed', reason: 'upstream_failed' });
    const quoting = { type: 'model_output', content: [{ type: 'text', text: 'Not with s3cret.' }] };
    expect(read({ steps: [quoting] })).toMatchObject({
      message: 'Not with [secret].',
      detail: 'completed without a video: Not with [secret].',
    });
  });

  it('that has a video, or was charged one, without having its link is polled again', () => {
    const { usage } = COMPLETED;
    expect(() => read({ usage, steps: [] })).toThrow(UpstreamError);
    const content = [{ type: 'video', mime_type: 'video/mp4' }];
    expect(() => read({ steps: [{ type: 'model_output', content }] })).toThrow(UpstreamError);
  });

  it.each([
    [{ errors: [{ code: 'internal', message: 'Oops.' }] }, 'upstream_failed', 'internal Oops.'],
    [{ error: { code: 'x/content_blocked', message: 'No.' } }, 'content_rejected', 'x/content_blocked No.'],
    [{ errors: [{ code: 'invalid_request', message: 'No.' }] }, 'invalid_request', 'invalid_request No.'],
    [
      { steps: [{ type: 'model_output', error: { code: 4, message: 'Late.' } }] },
      'expired',
      'DEADLINE_EXCEEDED Late.',
    ],
    [{ status: 'budget_exceeded' }, 'upstream_failed', 'budget_exceeded'],
  ])('that failed has a reason: %o', (interaction, reason, detail) => {
    expect(read({ ...interaction, meaning: 'failed' })).toMatchObject({ state: 'failed', reason, detail });
  });

  it('that cannot be read is an error and not a verdict', () => {
    for (const odd of [undefined, null, 'x', {}, [], { id: 'v1_a' }, { status: 'failed' }])
      expect(() => readInteraction(odd, String)).toThrow(UpstreamError);
  });
});

describe('at the simulated service, Omni', () => {
  const started = async (prompt: string) => {
    const world = await open('gemini');
    const job = omniJob({ prompt });
    const { upstreamId } = await world.provider.submit(job, sending(signal()));
    return { ...world, handle: handleOf(job, upstreamId) };
  };

  it.each([
    ['[moderation]', 'content_rejected'],
    ['[fail]', 'upstream_failed'],
    ['[invalid]', 'invalid_request'],
  ])('ends a job with %s as %s', async (marker, reason) => {
    const { simulators, provider, handle } = await started(`a paper boat ${marker}`);
    simulators.finishAll();
    expect(await provider.poll(handle, signal())).toMatchObject({ state: 'failed', reason });
  });

  it('has lost a video whose file is missing, which says nothing about the key', async () => {
    const { simulators, provider, handle } = await started('a paper boat [gone]');
    simulators.finishAll();
    const answer = await provider.poll(handle, signal());
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    await expect(provider.open(handle, answer.result, 0, signal())).rejects.toMatchObject({
      reason: 'result_lost',
    });
  });

  it('cancels an interaction that runs, which is then known to be cancelled', async () => {
    const { provider, handle } = await started('a paper boat [hold]');
    expect(await provider.cancel?.(handle, signal())).toBe('cancelled');
    expect(await provider.poll(handle, signal())).toMatchObject({ state: 'failed', reason: 'cancelled' });
    expect(await provider.cancel?.(handle, signal())).toBe('too_late');
  });

  it('refuses a prompt before a job is made, and says so', async () => {
    const { simulators, provider } = await open('gemini');
    const blocked = provider.submit(omniJob({ prompt: 'a boat [moderation-input]' }), sending(signal()));
    await expect(blocked).rejects.toMatchObject({ reason: 'content_rejected', created: 'no' });
    const retired = { ...omniJob(), upstreamModel: 'gemini-omni-flash-preview' };
    await expect(provider.submit(retired, sending(signal()))).rejects.toMatchObject({
      reason: 'upstream_failed',
      created: 'no',
    });
    simulators.upstream('gemini').accounts.set('default', 'revoked');
    const wrongKey = provider.submit(omniJob(), sending(signal()));
    await expect(wrongKey).rejects.toMatchObject({ reason: 'auth_failed', created: 'no' });
    expect(simulators.ledger.jobs()).toHaveLength(0);
  });
});
