import { describe, expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../../src/observability/log.ts';
import { loadPackage } from '../../../src/providers/aiSdk/loadPackage.ts';
import { unknownPackage } from '../../../src/providers/aiSdk/packageRow.ts';
import { createAiSdkProvider } from '../../../src/providers/aiSdk/provider.ts';
import type { ResumableModel, StartOptions } from '../../../src/providers/aiSdk/videoModel.ts';
import { type Provider, UpstreamError } from '../../../src/providers/provider.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { readAll } from '../../support/http/readAll.ts';
import { openHttpWhile } from '../../support/openHttp.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { anImage, handleOf, soon, starting } from './world.ts';

type Model = (id: string, fetch: typeof globalThis.fetch, baseURL: string) => Partial<ResumableModel>;

const response = { timestamp: new Date(0), modelId: 'm', headers: undefined };
const credentials = { apiKey: 'k', baseUrl: 'http://127.0.0.1:1', headers: {} };

/** An unknown package, as npm would deliver it. */
function packageOf(model: Model) {
  const createHearsay = ({ fetch, baseURL }: { fetch: typeof globalThis.fetch; baseURL: string }) => ({
    videoModel: (id: string) => model(id, fetch, baseURL),
  });
  return {
    ...unknownPackage('hearsay', 'createHearsay'),
    load: async () => ({ createHearsay, VERSION: '9.8.7' }),
  };
}

async function bridgeTo(
  model: Model,
  { baseUrl = credentials.baseUrl, log = [] as string[] } = {},
): Promise<Provider> {
  const row = packageOf(model);
  const http = openHttpWhile()({
    baseUrl,
    headers: () => ({}),
    secrets: [],
    refusal: () => ({}),
    error: () => new UpstreamError('upstream_failed'),
  });
  onTestFinished(() => http.close());
  const loaded = await loadPackage(row, { ...credentials, baseUrl }, 'mine');
  const logger = createLog('debug', { write: (line: string) => void log.push(line) });
  return createAiSdkProvider({
    accountId: 'mine',
    row,
    loaded,
    baseUrl,
    http,
    scrub: (text) => text,
    clock: systemClock,
    log: logger,
  });
}

const started = { operation: { id: 'job-1' }, warnings: [], response };

describe('a package that is not in the table', () => {
  it('gets what the AI SDK specifies, and is polled with its own operation', async () => {
    const seen: { options?: StartOptions; operation?: unknown } = {};
    const provider = await bridgeTo(() => ({
      async doStart(options) {
        seen.options = options;
        return started;
      },
      async doStatus({ operation }) {
        seen.operation = operation;
        return { status: 'pending', response };
      },
    }));
    const job = starting('xai', {
      image: anImage('first'),
      lastFrame: anImage('last'),
      seed: 7,
      providerOptions: { style: 'noir' },
    });
    const { upstreamId } = await provider.submit(job, sending(soon()));
    expect(seen.options).toMatchObject({
      prompt: 'a paper boat',
      n: 1,
      duration: 1,
      aspectRatio: '16:9',
      resolution: '854x480',
      seed: 7,
      image: { type: 'file', mediaType: 'image/png' },
      frameImages: [{ frameType: 'first_frame' }, { frameType: 'last_frame' }],
      providerOptions: { hearsay: { style: 'noir' } },
    });
    expect(JSON.parse(upstreamId)).toEqual({
      package: 'hearsay',
      version: '9.8.7',
      modelId: job.upstreamModel,
      operation: { id: 'job-1' },
    });
    expect(await provider.poll(handleOf(job, upstreamId), soon())).toEqual({ state: 'in_progress' });
    expect(seen.operation).toEqual({ id: 'job-1' });
  });

  it.each(['base64', 'binary'] as const)('may return the video itself, as %s', async (type) => {
    const bytes = Buffer.from('the bytes of a video');
    const data = type === 'base64' ? bytes.toString('base64') : new Uint8Array(bytes);
    const provider = await bridgeTo(() => ({
      doStart: async () => started,
      doStatus: async () => ({
        status: 'completed',
        videos: [{ type, data, mediaType: 'video/mp4' } as never],
        warnings: [],
        response,
      }),
    }));
    const job = starting('xai');
    const handle = handleOf(job, (await provider.submit(job, sending(soon()))).upstreamId);
    const answer = await provider.poll(handle, soon());
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    expect(JSON.stringify(answer).length).toBeLessThan(200);
    const { stream, bytes: length, offset } = await provider.open(handle, answer.result, 4, soon());
    expect([length, offset]).toEqual([bytes.length, 4]);
    expect((await readAll(stream)).toString()).toBe('bytes of a video');
    const rest = await provider.open(handle, answer.result, bytes.length, soon());
    expect((await readAll(rest.stream)).length).toBe(0);
  });

  it.each([
    ['no video at all', []],
    ['a video that was put elsewhere', [{ type: 'uploaded', mediaType: 'video/mp4' }]],
    ['a link to no web address', [{ type: 'url', url: 'file:///etc/passwd', mediaType: 'video/mp4' }]],
  ])('fails a job that ends with %s', async (_what, videos) => {
    const provider = await bridgeTo(() => ({
      doStart: async () => started,
      doStatus: async () => ({ status: 'completed', videos: videos as never, warnings: [], response }),
    }));
    const job = starting('xai');
    const handle = handleOf(job, (await provider.submit(job, sending(soon()))).upstreamId);
    expect(await provider.poll(handle, soon())).toMatchObject({ state: 'failed', reason: 'upstream_failed' });
  });

  it('cannot submit twice, even if it retries after a lost answer', async () => {
    const server = await serve((request) => request.socket.destroy());
    const provider = await bridgeTo(
      (_id, fetch, baseURL) => ({
        async doStart() {
          for (let tries = 0; tries < 5; tries++) {
            const answer = await fetch(`${baseURL}/jobs`, { method: 'POST', body: '{}' }).catch(
              () => undefined,
            );
            if (answer?.ok) return started;
          }
          throw new Error('it gave up');
        },
        doStatus: async () => ({ status: 'pending', response }),
      }),
      { baseUrl: server.origin },
    );
    await expect(provider.submit(starting('xai'), sending(soon()))).rejects.toMatchObject({
      created: 'unknown',
    });
    expect(server.requests).toHaveLength(1);
  });

  it('that fails after it created a job leaves the outcome unknown', async () => {
    const server = await serve((request, response) => {
      response.writeHead(request.method === 'POST' ? 200 : 403, { 'content-type': 'application/json' });
      response.end('{}');
    });
    const provider = await bridgeTo(
      (_id, fetch, baseURL) => ({
        async doStart() {
          await fetch(`${baseURL}/jobs`, { method: 'POST', body: '{}' });
          const answer = await fetch(`${baseURL}/jobs/1`);
          if (!answer.ok) throw new Error(`answered ${answer.status}`);
          return started;
        },
        doStatus: async () => ({ status: 'pending', response }),
      }),
      { baseUrl: server.origin },
    );
    await expect(provider.submit(starting('xai'), sending(soon()))).rejects.toMatchObject({
      created: 'unknown',
    });
    expect(server.requests).toHaveLength(2);
  });

  it('sends its credentials only to the origin of the account', async () => {
    const other = await serve((_request, reply) => reply.end('{}'));
    const provider = await bridgeTo((_id, fetch) => ({
      doStart: async () => started,
      async doStatus() {
        await fetch(`${other.origin}/status`, { headers: { authorization: 'Bearer k', 'x-key': 'k' } });
        return { status: 'pending', response };
      },
    }));
    const job = starting('xai');
    await provider.poll(handleOf(job, (await provider.submit(job, sending(soon()))).upstreamId), soon());
    expect(other.requests[0]?.headers).not.toHaveProperty('authorization');
    expect(other.requests[0]?.headers).not.toHaveProperty('x-key');
  });

  it('created nothing if it refuses options before it sends anything', async () => {
    const provider = await bridgeTo(() => ({
      async doStart() {
        throw new TypeError('fps must be 24');
      },
      doStatus: async () => ({ status: 'pending', response }),
    }));
    await expect(provider.submit(starting('xai'), sending(soon()))).rejects.toMatchObject({
      created: 'no',
      reason: 'invalid_request',
      detail: 'fps must be 24',
    });
  });

  it('that returns a long operation gets all of it back', async () => {
    const operation = { token: 'x'.repeat(10_000) };
    const polled: unknown[] = [];
    const provider = await bridgeTo(() => ({
      doStart: async () => ({ ...started, operation }),
      async doStatus(options) {
        polled.push(options.operation);
        return { status: 'pending', response };
      },
    }));
    const job = starting('xai');
    const { upstreamId } = await provider.submit(job, sending(soon()));
    await provider.poll(handleOf(job, upstreamId), soon());
    expect(polled).toEqual([operation]);
  });

  it('logs parameters that it dropped', async () => {
    const log: string[] = [];
    const provider = await bridgeTo(
      () => ({
        doStart: async () => ({ ...started, warnings: [{ type: 'unsupported', feature: 'seed' }] }),
        doStatus: async () => ({ status: 'pending', response }),
      }),
      { log },
    );
    await provider.submit(starting('xai'), sending(soon()));
    expect(log.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({
        event: 'upstream.parameter_dropped',
        account: 'mine',
        warnings: [{ type: 'unsupported', feature: 'seed' }],
      }),
    );
  });

  it('is refused at the start if its models cannot be resumed or its factory does not exist', async () => {
    await expect(bridgeTo(() => ({ doStart: async () => started }))).rejects.toMatchObject({
      code: 'invalid_settings',
      message: expect.stringContaining('cannot be resumed'),
    });
    const row = { ...packageOf(() => ({})), factory: 'createRumour' };
    await expect(loadPackage(row, credentials, 'mine')).rejects.toMatchObject({
      message: expect.stringContaining('has no export createRumour'),
    });
  });

  it('that is not installed is named with the command that installs it', async () => {
    const row = unknownPackage('@ai-sdk/nobody-has-this', 'createNobody');
    await expect(loadPackage(row, credentials, 'mine')).rejects.toMatchObject({
      code: 'invalid_settings',
      message: expect.stringContaining('npm install @ai-sdk/nobody-has-this'),
    });
  });
});
