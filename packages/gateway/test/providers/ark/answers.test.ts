import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { refusalOf } from '../../../src/providers/ark/errors.ts';
import { STATUSES } from '../../../src/providers/ark/wire.ts';
import {
  type Answer,
  type Provider,
  UpstreamError,
  type UpstreamTimes,
} from '../../../src/providers/provider.ts';
import type { Reason } from '../../../src/tasks/reasons.ts';
import { sending } from '../../support/sending.ts';
import { scripted } from './scripted.ts';
import { arkAt, arkJob, handle, signal } from './world.ts';

async function answering(status: number, body?: unknown): Promise<Provider> {
  return arkAt((await scripted(() => ({ status, body }))).baseUrl);
}

async function asked(task: object): Promise<Answer> {
  return (await answering(200, { id: 'cgt-1', ...task })).poll(handle('cgt-1'), signal());
}

async function refused(status: number, code: string, message = 'No.'): Promise<UpstreamError> {
  const provider = await answering(status, { error: { code, message, param: '', type: 'x' } });
  const error = await provider.submit(arkJob(), sending(signal())).catch((reason: unknown) => reason);
  if (error instanceof UpstreamError) return error;
  throw new Error('not refused');
}

const VIDEO = 'https://ark-content.example.com/a.mp4';

describe('the status', () => {
  const meanings: Record<keyof typeof STATUSES, Partial<Answer>> = {
    queued: { state: 'queued' },
    running: { state: 'in_progress' },
    succeeded: { state: 'succeeded' },
    failed: { state: 'failed', reason: 'content_rejected' },
    cancelled: { state: 'failed', reason: 'cancelled' },
    expired: { state: 'failed', reason: 'expired' },
  };

  it.each(Object.entries(meanings))('%s is understood', async (status, answer) => {
    const task = {
      status,
      content: { video_url: VIDEO },
      error: {
        code: 'OutputVideoSensitiveContentDetected',
        message: 'It may contain sensitive information.',
      },
    };
    expect(await asked(task)).toMatchObject(answer);
  });

  it.each([
    ['queued', {}],
    ['running', { startedAt: 1_790_000_000_000 }],
    ['succeeded', { endedAt: 1_790_000_000_000 }],
    ['failed', { endedAt: 1_790_000_000_000 }],
    ['cancelled', { endedAt: 1_790_000_000_000 }],
    ['expired', { endedAt: 1_790_000_000_000 }],
  ])('%s comes with the time since when the task has it', async (status, times) => {
    const task = { status, content: { video_url: VIDEO }, created_at: 1, updated_at: 1_790_000_000 };
    const { startedAt, endedAt } = (await asked(task)) as UpstreamTimes;
    expect({ startedAt, endedAt }).toEqual({ startedAt: undefined, endedAt: undefined, ...times });
  });

  it('has no word that is not tested here', () => {
    expect(Object.keys(meanings).sort()).toEqual(Object.keys(STATUSES).sort());
  });

  it('in an undocumented word means that the task runs', async () => {
    expect(await asked({ status: 'polishing' })).toEqual({ state: 'in_progress' });
  });
});

describe('a success', () => {
  it('has the link, its expiry and the seconds', async () => {
    const link = `${VIDEO}?X-Tos-Date=20261125T120000Z&X-Tos-Expires=86400&X-Tos-Signature=x`;
    expect(await asked({ status: 'succeeded', content: { video_url: link }, duration: 5 })).toEqual({
      state: 'succeeded',
      result: { ref: link, expiresAt: Date.UTC(2026, 10, 26, 12), duration: 5 },
    });
  });

  it('with a link of another form expires a day after the end of the task', async () => {
    const task = { status: 'succeeded', content: { video_url: VIDEO }, updated_at: 1_790_000_000 };
    expect(await asked(task)).toMatchObject({ result: { expiresAt: 1_790_086_400_000 } });
  });

  it.each([[undefined], [null], [{}], [{ video_url: '' }]])(
    'without a video (%j) is a failure',
    async (content) => {
      expect(await asked({ status: 'succeeded', content })).toMatchObject({
        state: 'failed',
        reason: 'upstream_failed',
        detail: 'succeeded without a video',
      });
    },
  );

  it('logs and tells the tokens that it cost', async () => {
    const lines: string[] = [];
    const { baseUrl } = await scripted(() => ({
      body: {
        id: 'cgt-1',
        status: 'succeeded',
        content: { video_url: VIDEO },
        usage: { total_tokens: 108_900 },
      },
    }));
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const answer = await arkAt(baseUrl, { log }).poll(handle('cgt-1'), signal());
    expect(answer).toMatchObject({ result: { usage: { tokens: 108_900 } } });
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { event: 'upstream.usage_reported', upstreamId: 'cgt-1', tokens: 108_900 },
    ]);
  });
});

describe('a failure', () => {
  it('has the message for the operator, and without ids for the caller', async () => {
    const message = "The input image 'content[1]' may contain real person. Request id: 0217abc";
    const error = { code: 'InputImageSensitiveContentDetected.PrivacyInformation', message };
    expect(await asked({ status: 'failed', error })).toEqual({
      state: 'failed',
      reason: 'content_rejected',
      message: "The input image 'content[1]' may contain real person.",
      detail: `${error.code} ${message}`,
    });
  });

  it.each<[string, Reason]>([
    ['OutputAudioSensitiveContentDetected', 'content_rejected'],
    ['InvalidParameter.TaskTypeConstraint', 'invalid_request'],
    ['InvalidParameter.TaskTypeMismatch', 'invalid_request'],
    ['InternalServiceError', 'upstream_failed'],
    ['SomethingNew', 'upstream_failed'],
  ])('by %s has the reason %s', async (code, reason) => {
    expect(await asked({ status: 'failed', error: { code, message: 'No.' } })).toMatchObject({ reason });
  });

  it('without an error is a failure too', async () => {
    expect(await asked({ status: 'failed' })).toMatchObject({ state: 'failed', reason: 'upstream_failed' });
  });
});

describe('a refused submission', () => {
  it.each<[number, string, Reason]>([
    [400, 'SensitiveContentDetected', 'content_rejected'],
    [400, 'SensitiveContentDetected.Violence', 'content_rejected'],
    [400, 'InputTextSensitiveContentDetected', 'content_rejected'],
    [400, 'InputImageSensitiveContentDetected.PolicyViolation', 'content_rejected'],
    [400, 'InputTextRiskDetection', 'content_rejected'],
    [400, 'ContentSecurityDetectionError', 'upstream_unavailable'],
    [400, 'MissingParameter', 'invalid_request'],
    [400, 'InvalidParameter', 'invalid_request'],
    [400, 'InvalidParameter.UnsupportedParameter', 'invalid_request'],
    [400, 'InvalidImageURL.InvalidFormat', 'invalid_request'],
    [400, 'InvalidArgumentError.InvalidPixelLimit', 'invalid_request'],
    [400, 'OutofContextError', 'invalid_request'],
    [400, 'InvalidEndpoint.ClosedEndpoint', 'upstream_unavailable'],
    [400, 'InvalidSubscription', 'quota_exhausted'],
    [401, 'AuthenticationError', 'auth_failed'],
    [401, 'InvalidAccountStatus', 'auth_failed'],
    [403, 'AccessDenied', 'auth_failed'],
    [403, 'OperationDenied.ServiceNotOpen', 'auth_failed'],
    [403, 'OperationDenied.ServiceOverdue', 'quota_exhausted'],
    [403, 'AccountOverdueError', 'quota_exhausted'],
    [404, 'InvalidEndpointOrModel.NotFound', 'auth_failed'],
    [404, 'ModelNotOpen', 'auth_failed'],
    [404, 'UnsupportedModel', 'auth_failed'],
    [429, 'RateLimitExceeded.EndpointRPMExceeded', 'rate_limited'],
    [429, 'ModelAccountRpmRateLimitExceeded', 'rate_limited'],
    [429, 'APIAccountRpmRateLimitExceeded', 'rate_limited'],
    [429, 'AccountRateLimitExceeded', 'rate_limited'],
    [429, 'ServerOverloaded', 'rate_limited'],
    [429, 'RequestBurstTooFast', 'rate_limited'],
    [429, 'InflightBatchsizeExceeded', 'rate_limited'],
    [429, 'SetLimitExceeded', 'quota_exhausted'],
    [429, 'SomethingNew', 'rate_limited'],
  ])('with %i %s is %s, and no task was created', async (status, code, reason) => {
    expect(await refused(status, code)).toMatchObject({ reason, created: 'no' });
  });

  it('by QuotaExceeded is retried only if the queue is full', async () => {
    const words = [
      ['The request has exceeded the quota. Request id: 0217', 'rate_limited'],
      ['Your account [1] has exhausted its free trial quota for the [m] model.', 'quota_exhausted'],
      ['You have exceeded the weekly usage quota. It will reset at 09:00.', 'quota_exhausted'],
    ] as const;
    for (const [message, reason] of words) {
      expect((await refused(429, 'QuotaExceeded', message)).reason).toBe(reason);
    }
  });

  it('by a 5xx may have created a task', async () => {
    expect(await refused(500, 'InternalServiceError')).toMatchObject({
      reason: 'upstream_unavailable',
      created: 'unknown',
    });
  });

  it.each([[undefined], ['{"id":"cgt'], [{}], [{ error: { code: 'X', message: 'y' } }]])(
    'by a 200 that says %j may have been taken',
    async (body) => {
      const provider = await answering(200, body);
      await expect(provider.submit(arkJob(), sending(signal()))).rejects.toMatchObject({
        reason: 'upstream_unavailable',
        created: 'unknown',
      });
    },
  );

  it('never shows the key, which Ark repeats', async () => {
    const error = await refused(400, 'InvalidParameter', 'The key ark-key-of-the-test is not for this.');
    expect(`${error.message} ${error.detail}`).not.toContain('ark-key-of-the-test');
  });
});

describe('a poll', () => {
  it('that is answered with an empty 200 is an error and not a verdict', async () => {
    const provider = await answering(200);
    await expect(provider.poll(handle('cgt-1'), signal())).rejects.toMatchObject({
      reason: 'upstream_unavailable',
    });
  });

  it('with a wrong key is an error of the account and not a verdict on the task', async () => {
    const provider = await answering(401, { error: { code: 'AuthenticationError', message: 'No.' } });
    await expect(provider.poll(handle('cgt-1'), signal())).rejects.toMatchObject({ reason: 'auth_failed' });
  });

  it.each(['ResourceNotFound', 'NotFound.Task'])('of a task that is %s finds it missing', async (code) => {
    const provider = await answering(404, { error: { code, message: 'It is not found.' } });
    expect(await provider.poll(handle('cgt-1'), signal())).toMatchObject({ state: 'missing' });
  });

  it('at a wrong URL is an error and not a verdict on the task', async () => {
    const provider = await answering(404, '<html>404</html>');
    await expect(provider.poll(handle('cgt-1'), signal())).rejects.toBeInstanceOf(UpstreamError);
  });
});

describe('an error body', () => {
  it.each([[undefined], [null], ['text'], [{ error: 'text' }], [{ error: { code: 1 } }]])(
    'that is %j says nothing',
    (body) => {
      expect(refusalOf(body)).toEqual({});
    },
  );
});
