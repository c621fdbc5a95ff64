import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { handleOf, openWith, type Service, soon, starting } from './world.ts';

const URL = 'https://results.example/video.mp4';

interface Spoken {
  readonly env: (origin: string) => Record<string, string>;
  readonly operation: (origin: string) => unknown;
}

const SPOKEN: Record<Service, Spoken> = {
  xai: {
    env: (origin) => ({ XAI_API_KEY: 'k', XAI_BASE_URL: `${origin}/v1` }),
    operation: () => ({ requestId: 'r1' }),
  },
  minimax: {
    env: (origin) => ({ MINIMAX_API_KEY: 'k', MINIMAX_VIDEO_BASE_URL: origin }),
    operation: () => ({ taskId: '1', resolvedInputs: { imageCount: 0, referenceVideoIndices: [] } }),
  },
  replicate: {
    env: (origin) => ({ REPLICATE_API_TOKEN: 'k', REPLICATE_BASE_URL: `${origin}/v1` }),
    operation: (origin) => ({ getUrl: `${origin}/v1/predictions/p1` }),
  },
  fal: {
    env: (origin) => ({ FAL_KEY: 'k', FAL_QUEUE_URL: origin }),
    operation: () => ({
      responseUrl: 'https://queue.fal.run/fal-ai/veo3.1/requests/q1',
      submitUrl: 'https://queue.fal.run/fal-ai/veo3.1',
    }),
  },
};

/** The bridge's reading of an answer to a poll. */
async function heard(service: Service, status: number, body: unknown): Promise<unknown> {
  const server = await serve((_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
  );
  const { env, operation } = SPOKEN[service];
  const provider = await openWith(service, env(server.origin));
  const ref = {
    package: `@ai-sdk/${service}`,
    version: '1',
    modelId: 'm',
    operation: operation(server.origin),
  };
  const handle = handleOf(starting(service), JSON.stringify(ref));
  return provider.poll(handle, soon()).catch((error: unknown) => error);
}

/** Times in the form of Replicate's documents ("Predictions"), and what the bridge reads from them. */
const STARTED = '2023-09-08T16:19:34.779176Z';
const STARTED_AT = Date.UTC(2023, 8, 8, 16, 19, 34, 779);
const LIVED = { started_at: STARTED, completed_at: '2023-09-08T16:20:04.791859Z' };
const TIMES = { startedAt: STARTED_AT, endedAt: Date.UTC(2023, 8, 8, 16, 20, 4, 791) };

const failed = (reason: string) => ({ state: 'failed', reason });
const succeeded = { state: 'succeeded', result: { ref: URL } };
const works = { state: 'in_progress' };
const prediction = { id: 'p1', urls: { get: 'x' } };
const minimax = (task: object) => ({ task: { id: '1', ...task } });
const xaiVideo = (video: object) => ({ status: 'done', video });

describe('every status word of a service', () => {
  it.each<[Service, number, unknown, unknown]>([
    ['xai', 202, { status: 'pending', progress: 12 }, { ...works, progress: 12 }],
    ['xai', 200, { status: 'pending' }, works],
    ['xai', 200, { status: 'reticulating' }, works],
    ['xai', 200, xaiVideo({ url: URL, respect_moderation: true }), succeeded],
    ['xai', 200, xaiVideo({ url: '', respect_moderation: false }), failed('content_rejected')],
    ['xai', 200, xaiVideo({}), failed('upstream_failed')],
    ['xai', 200, { status: 'expired' }, failed('expired')],
    ['xai', 200, { status: 'failed', error: { code: 'internal_error' } }, failed('upstream_failed')],
    [
      'xai',
      200,
      { status: 'failed', error: { message: 'Rejected by content moderation.' } },
      failed('content_rejected'),
    ],
    ['xai', 404, { code: 'not found', error: 'no such request' }, { state: 'missing' }],

    ['minimax', 200, minimax({ status: 'queued' }), { state: 'queued' }],
    ['minimax', 200, minimax({ status: 'running' }), works],
    [
      'minimax',
      200,
      minimax({ status: 'succeeded', content: { url: URL }, updated_at: 1_785_125_946 }),
      { ...succeeded, endedAt: 1_785_125_946_000 },
    ],
    ['minimax', 200, minimax({ status: 'reticulating' }), works],
    ['minimax', 200, minimax({ status: 'succeeded', content: { url: URL } }), succeeded],
    ['minimax', 200, minimax({ status: 'succeeded', content: {} }), failed('upstream_failed')],
    [
      'minimax',
      200,
      minimax({ status: 'failed', error: { code: '1027', message: 'output' } }),
      failed('content_rejected'),
    ],
    [
      'minimax',
      200,
      minimax({ status: 'failed', error: { code: 1008, message: 'x' } }),
      failed('quota_exhausted'),
    ],
    ['minimax', 200, minimax({ status: 'failed' }), failed('upstream_failed')],
    ['minimax', 200, minimax({ status: 'cancelled' }), failed('cancelled')],
    ['minimax', 200, minimax({ status: 'expired' }), failed('expired')],

    ['replicate', 200, { ...prediction, status: 'starting' }, { state: 'queued' }],
    ['replicate', 200, { ...prediction, status: 'processing' }, works],
    [
      'replicate',
      200,
      { ...prediction, status: 'processing', started_at: STARTED },
      { ...works, startedAt: STARTED_AT },
    ],
    [
      'replicate',
      200,
      { ...prediction, status: 'failed', ...LIVED },
      { ...failed('upstream_failed'), ...TIMES },
    ],
    [
      'replicate',
      200,
      { ...prediction, status: 'succeeded', output: URL, ...LIVED },
      { ...succeeded, ...TIMES },
    ],
    ['replicate', 200, { ...prediction, status: 'succeeded', output: URL }, succeeded],
    ['replicate', 200, { ...prediction, status: 'succeeded', output: [URL] }, succeeded],
    ['replicate', 200, { ...prediction, status: 'succeeded', output: null }, failed('upstream_failed')],
    ['replicate', 200, { ...prediction, status: 'succeeded', output: [] }, failed('upstream_failed')],
    ['replicate', 200, { ...prediction, status: 'failed', error: 'boom (E004)' }, failed('upstream_failed')],
    ['replicate', 200, { ...prediction, status: 'failed', error: 'no (E005)' }, failed('content_rejected')],
    ['replicate', 200, { ...prediction, status: 'canceled' }, failed('cancelled')],
    ['replicate', 200, { ...prediction, status: 'aborted' }, failed('expired')],

    ['fal', 202, { status: 'IN_QUEUE', queue_position: 3 }, { state: 'queued', queuePosition: 3 }],
    ['fal', 202, { status: 'IN_PROGRESS', logs: null }, works],
    ['fal', 400, { detail: 'Request is still in progress' }, works],
    ['fal', 200, { video: { url: URL } }, succeeded],
    ['fal', 200, {}, failed('upstream_failed')],
    ['fal', 422, { detail: [{ type: 'content_policy_violation', msg: 'no' }] }, failed('content_rejected')],
    ['fal', 422, { detail: [{ type: 'value_error', msg: 'no' }] }, failed('invalid_request')],
    ['fal', 503, { detail: 'x', error_type: 'runner_disconnected' }, failed('upstream_failed')],
    ['fal', 504, { detail: 'x', error_type: 'request_timeout' }, failed('upstream_failed')],
    ['fal', 404, { detail: 'Request not found' }, { state: 'missing' }],
  ])('%s says %i %j', async (service, status, body, meaning) => {
    expect(await heard(service, status, body)).toMatchObject(meaning as object);
  });

  it.each<[Service, number, unknown]>([
    ['replicate', 200, { ...prediction, status: 'reticulating' }],
    ['fal', 503, { detail: 'Service unavailable' }],
    ['fal', 429, { detail: 'Too many requests' }],
    ['fal', 200, { video: 'odd' }],
    ['minimax', 200, { task: 'odd' }],
    ['xai', 500, { code: 'x', error: 'y' }],
  ])('%s says %i %j, which is not a verdict', async (service, status, body) => {
    expect(await heard(service, status, body)).toBeInstanceOf(UpstreamError);
  });
});
