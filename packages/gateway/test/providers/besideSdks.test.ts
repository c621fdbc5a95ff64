import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createAlibaba } from '@ai-sdk/alibaba';
import { createByteDance } from '@ai-sdk/bytedance';
import { GoogleGenAI as GoogleGenAI3 } from '@google/genai';
import { startSimulators } from '@onetake/simulators';
import { GoogleGenAI } from 'google-genai-2';
import OpenAI from 'openai';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../src/observability/log.ts';
import { readAccounts } from '../../src/providers/accounts.ts';
import { DEFINITIONS } from '../../src/providers/definitions.ts';
import { newId, newTaskId } from '../../src/tasks/ids.ts';
import type { VideoRequest } from '../../src/tasks/request.ts';
import { systemClock } from '../../src/time/clock.ts';
import { aRequest } from '../support/builders.ts';
import { openHttpWhile, ownPermits } from '../support/openHttp.ts';
import { sending } from '../support/sending.ts';
import { serve } from '../support/servers/httpServer.ts';

/** What a client sent: path, credentials and each member of the body by its path. */
type Sent = Readonly<Record<string, unknown>>;

const KEY = 'key-of-both-clients';
const CREDENTIALS = ['authorization', 'x-goog-api-key', 'x-dashscope-async', 'idempotency-key'];

/** Records what a client sends to create a job, at a service that accepts every job. `told`: its answer to a poll. */
async function recorded(
  answer: unknown,
  client: (origin: string) => Promise<unknown>,
  told: unknown = answer,
): Promise<Sent> {
  const sent: Sent[] = [];
  const server = await serve(async (request, response) => {
    response.setHeader('content-type', 'application/json');
    if (request.method === 'GET') {
      response.end(JSON.stringify(told));
      return;
    }
    const raw = await buffer(request);
    const type = request.headers['content-type'] ?? '';
    const body = type.startsWith('multipart/')
      ? Object.fromEntries(
          await new Response(new Uint8Array(raw), { headers: { 'content-type': type } }).formData(),
        )
      : JSON.parse(raw.toString());
    const headers = CREDENTIALS.flatMap((name) =>
      request.headers[name] === undefined
        ? []
        : // An access token is another one each time.
          [[`header ${name}`, String(request.headers[name]).replace(/ya29\.\S+/, 'ya29')]],
    );
    sent.push({ request: `${request.method} ${request.url}`, ...Object.fromEntries(headers), ...flat(body) });
    response.end(JSON.stringify(answer));
  });
  await client(server.origin);
  const [only, ...more] = sent;
  if (!only || more.length > 0) throw new Error(`${sent.length} requests`);
  return only;
}

function flat(value: unknown, path = 'body'): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return { [path]: value };
  return Object.assign({}, ...Object.entries(value).map(([name, inner]) => flat(inner, `${path}.${name}`)));
}

/** Starts a job with an account of the gateway. */
const ours =
  (
    provider: string,
    upstreamModel: string,
    request: Partial<VideoRequest>,
    { path = '', members = { api_key: { env: 'KEY' } } as object } = {},
  ) =>
  async (origin: string) => {
    const { accounts, problems } = readAccounts({
      file: { a: { provider, base_url: `${origin}${path}`, ...members } },
      env: { KEY },
      definitions: DEFINITIONS,
    });
    const [account] = accounts;
    if (!account) throw new Error(problems.join());
    const opened = await account.definition.open(account.account, {
      id: 'a',
      log: createLog('silent'),
      clock: systemClock,
      callback: undefined,
      permits: ownPermits,
      openHttp: openHttpWhile(),
    });
    onTestFinished(() => opened.provider.close());
    const job = {
      taskId: newTaskId(),
      attempt: 1,
      idempotencyKey: newId(),
      upstreamModel,
      request: aRequest(request),
      openInput: async () => Readable.from([PIXELS]),
    };
    await opened.provider.submit(job, sending(AbortSignal.timeout(10_000)));
  };

/** Members that only the adapter sends, that only the SDK sends, or that differ. */
function differences(our: Sent, their: Sent): Record<string, { ours?: unknown; theirs?: unknown }> {
  const names = new Set([...Object.keys(our), ...Object.keys(their)]);
  const different = [...names].filter((name) => our[name] !== their[name]);
  return Object.fromEntries(
    different.map((name) => [
      name,
      {
        ...(name in our ? { ours: our[name] } : {}),
        ...(name in their ? { theirs: their[name] } : {}),
      },
    ]),
  );
}

const NOTHING = {
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
};
const PIXELS = Buffer.from('the bytes of an image');
const IMAGE = { mediaId: 'first', contentType: 'image/png', bytes: PIXELS.length, width: 64, height: 36 };
/** The same image as the AI SDK takes it. */
const FILE = { type: 'file', mediaType: 'image/png', data: new Uint8Array(PIXELS) } as const;
const SHAPE = {
  prompt: 'a paper boat',
  aspectRatio: '16:9',
  resolution: '720p',
  width: 1280,
  height: 720,
} as const;

describe('the adapter sends the same job as the provider’s own client', () => {
  it('to OpenAI', async () => {
    const answer = { id: 'video_1', status: 'queued', object: 'video' };
    const our = await recorded(answer, ours('openai', 'sora-2', { ...SHAPE, duration: 8 }, { path: '/v1' }));
    const their = await recorded(answer, (origin) =>
      new OpenAI({ apiKey: KEY, baseURL: `${origin}/v1` }).videos.create({
        model: 'sora-2',
        prompt: SHAPE.prompt,
        seconds: '8',
        size: '1280x720',
      }),
    );
    // No document says that the key is honoured. Where it is, a lost answer costs nothing.
    expect(differences(our, their)).toEqual({
      'header idempotency-key': { ours: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
  });

  it('to the Gemini API', async () => {
    const model = 'veo-3.1-fast-generate-preview';
    const answer = { name: `models/${model}/operations/x` };
    const our = await recorded(
      answer,
      ours('google', model, { ...SHAPE, duration: 6, negativePrompt: 'fog' }),
    );
    const their = await recorded(answer, (origin) =>
      new GoogleGenAI({
        apiKey: KEY,
        vertexai: false,
        httpOptions: { baseUrl: origin },
      }).models.generateVideos({
        model,
        source: { prompt: SHAPE.prompt },
        config: { aspectRatio: '16:9', resolution: '720p', durationSeconds: 6, negativePrompt: 'fog' },
      }),
    );
    // One video, whatever the service's default, because each is paid for.
    expect(differences(our, their)).toEqual({ 'body.parameters.sampleCount': { ours: 1 } });
  });

  it('to Vertex AI', async () => {
    const simulators = await startSimulators({ only: ['vertex'] });
    onTestFinished(() => simulators.close());
    const file = simulators.environment.GOOGLE_APPLICATION_CREDENTIALS ?? '';
    const credentials = JSON.parse(await readFile(file, 'utf8'));
    const fetchImplementation = (_url: unknown, init?: RequestInit) =>
      fetch(`${credentials.token_uri}`, init);
    const { project_id: project } = credentials;
    const location = 'us-central1';
    const model = 'veo-3.1-generate-001';
    const answer = {
      name: `projects/${project}/locations/${location}/publishers/google/models/${model}/operations/x`,
    };
    const members = { project, location, credentials_file: file };
    const our = await recorded(
      answer,
      ours('google', model, { ...SHAPE, duration: 6, seed: 7, generateAudio: false }, { members }),
    );
    const their = await recorded(answer, (baseUrl) =>
      new GoogleGenAI3({
        enterprise: true,
        project,
        location,
        googleAuthOptions: { credentials, clientOptions: { transporterOptions: { fetchImplementation } } },
        httpOptions: { baseUrl },
      }).models.generateVideos({
        model,
        source: { prompt: SHAPE.prompt },
        config: {
          aspectRatio: '16:9',
          resolution: '720p',
          durationSeconds: 6,
          seed: 7,
          generateAudio: false,
        },
      }),
    );
    // The stable version of the service. The SDK uses the beta.
    const path = (version: string) =>
      `POST /${version}/projects/${project}/locations/${location}/publishers/google/models/${model}:predictLongRunning`;
    expect(differences(our, their)).toEqual({
      request: { ours: path('v1'), theirs: path('v1beta1') },
      'body.parameters.sampleCount': { ours: 1 },
    });
  });

  it('to DashScope', async () => {
    const answer = { output: { task_id: 't', task_status: 'PENDING' }, request_id: 'r' };
    const our = await recorded(answer, ours('dashscope', 'wan2.7-t2v', { ...SHAPE, duration: 5, seed: 7 }));
    const their = await recorded(answer, async (origin) =>
      createAlibaba({ apiKey: KEY, videoBaseURL: origin })
        .video('wan2.7-t2v')
        .doStart?.({
          ...NOTHING,
          prompt: SHAPE.prompt,
          aspectRatio: '16:9',
          resolution: '1280x720',
          duration: 5,
          seed: 7,
        }),
    );
    expect(differences(our, their)).toEqual({});
  });

  it('to Ark', async () => {
    const model = 'doubao-seedance-2-0-260128';
    const answer = { id: 'cgt-1' };
    const our = await recorded(
      answer,
      ours('ark', model, { ...SHAPE, duration: 5, seed: 7, generateAudio: true }, { path: '/api/v3' }),
    );
    const their = await recorded(
      answer,
      async (origin) =>
        createByteDance({ apiKey: KEY, baseURL: `${origin}/api/v3` })
          .video(model)
          .doGenerate({
            ...NOTHING,
            prompt: SHAPE.prompt,
            aspectRatio: '16:9',
            resolution: '1280x720',
            duration: 5,
            seed: 7,
            generateAudio: true,
            providerOptions: { bytedance: { pollIntervalMs: 10 } },
          }),
      { id: 'cgt-1', status: 'succeeded', content: { video_url: 'http://127.0.0.1/v.mp4' } },
    );
    // The correlation marker, by which a lost submission is found in the list.
    expect(differences(our, their)).toEqual({
      'body.execution_expires_after': { ours: expect.any(Number) },
    });
  });

  it('to the Gemini API, from a first frame', async () => {
    const model = 'veo-3.1-fast-generate-preview';
    const answer = { name: `models/${model}/operations/x` };
    const our = await recorded(answer, ours('google', model, { ...SHAPE, duration: 8, image: IMAGE }));
    const image = { imageBytes: PIXELS.toString('base64'), mimeType: 'image/png' };
    const their = await recorded(answer, (baseUrl) =>
      new GoogleGenAI({ apiKey: KEY, vertexai: false, httpOptions: { baseUrl } }).models.generateVideos({
        model,
        source: { prompt: SHAPE.prompt, image },
        config: { aspectRatio: '16:9', resolution: '720p', durationSeconds: 8 },
      }),
    );
    expect(differences(our, their)).toEqual({ 'body.parameters.sampleCount': { ours: 1 } });
  });

  it('to DashScope, from a first frame', async () => {
    const model = 'wan2.7-i2v';
    const answer = { output: { task_id: 't', task_status: 'PENDING' }, request_id: 'r' };
    const our = await recorded(answer, ours('dashscope', model, { ...SHAPE, duration: 5, image: IMAGE }));
    const their = await recorded(answer, async (videoBaseURL) =>
      createAlibaba({ apiKey: KEY, videoBaseURL })
        .video(model)
        .doStart?.({ ...NOTHING, prompt: SHAPE.prompt, resolution: '1280x720', duration: 5, image: FILE }),
    );
    // "Wan2.7 image-to-video API": frames are in `media`, bytes in a data URL. The SDK sends the form of 2.6 and bare base64.
    const base64 = PIXELS.toString('base64');
    expect(differences(our, their)).toEqual({
      'body.input.media.0.type': { ours: 'first_frame' },
      'body.input.media.0.url': { ours: `data:image/png;base64,${base64}` },
      'body.input.img_url': { theirs: base64 },
    });
  });

  it('to Ark, from a first frame', async () => {
    const model = 'doubao-seedance-2-0-260128';
    const answer = { id: 'cgt-1' };
    const told = { ...answer, status: 'succeeded', content: { video_url: 'http://127.0.0.1/v.mp4' } };
    const our = await recorded(
      answer,
      ours('ark', model, { ...SHAPE, duration: 5, image: IMAGE }, { path: '/api/v3' }),
    );
    const video = (origin: string) =>
      createByteDance({ apiKey: KEY, baseURL: `${origin}/api/v3` }).video(model);
    const their = await recorded(
      answer,
      async (origin) =>
        video(origin).doGenerate({
          ...NOTHING,
          prompt: SHAPE.prompt,
          aspectRatio: '16:9',
          resolution: '1280x720',
          duration: 5,
          image: FILE,
          providerOptions: { bytedance: { pollIntervalMs: 10 } },
        }),
      told,
    );
    // A single image may leave out the role ("Create a video generation task"). With the role it means the same.
    expect(differences(our, their)).toEqual({
      'body.execution_expires_after': { ours: expect.any(Number) },
      'body.content.1.role': { ours: 'first_frame' },
    });
  });
});
