import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/providers/provider.ts';
import type { Reason } from '../../../src/tasks/reasons.ts';
import { sending } from '../../support/sending.ts';
import { aJob, canned, handleOf, KEY, settled, signal, simulated } from './world.ts';

/** Documented status, code and message, the reason of a refused call, and the reason of a failed task if it differs. */
const ERRORS: readonly [status: number, code: string, message: string, call: Reason, task?: Reason][] = [
  [400, 'DataInspectionFailed', 'Input data may contain inappropriate content.', 'content_rejected'],
  [400, 'DataInspectionFailed', 'Green net check rejected text (input)', 'content_rejected'],
  [
    400,
    'IPInfringementSuspect',
    'Input data is suspected of being involved in IP infringement.',
    'content_rejected',
  ],
  [400, 'InvalidParameter.DataInspection', 'Unable to download the media resource.', 'invalid_request'],
  [400, 'InvalidParameter', 'The size is not match', 'invalid_request'],
  [400, 'InvalidURL', 'The request URL is invalid', 'invalid_request'],
  [400, 'InvalidParameter', 'Model not exist.', 'auth_failed'],
  [400, 'Arrearage', 'Access denied, please make sure your account is in good standing.', 'quota_exhausted'],
  [401, 'InvalidApiKey', 'Invalid API-key provided.', 'auth_failed'],
  [403, 'AccessDenied', 'Access denied.', 'auth_failed'],
  [403, 'AccessDenied.Unpurchased', 'Access to model denied.', 'auth_failed'],
  [403, 'Model.AccessDenied', 'Model access denied.', 'auth_failed'],
  [403, 'AllocationQuota.FreeTierOnly', 'The free tier of the model has been exhausted.', 'quota_exhausted'],
  [404, 'ModelNotFound', 'The model does not exist or you do not have access to it.', 'auth_failed'],
  [429, 'Throttling', 'Requests throttling triggered.', 'rate_limited'],
  [429, 'Throttling.RateQuota', 'Requests rate limit exceeded, please try again later.', 'rate_limited'],
  [429, 'Throttling.BurstRate', 'Request rate increased too quickly.', 'rate_limited'],
  [429, 'Throttling.AllocationQuota', 'Allocated quota exceeded.', 'rate_limited'],
  [429, 'Throttling.AllocationQuota', 'Free allocated quota exceeded.', 'quota_exhausted'],
  [429, 'PrepaidBillOverdue', 'The prepaid bill is overdue.', 'quota_exhausted'],
  [429, 'PostpaidBillOverdue', 'The postpaid bill is overdue.', 'quota_exhausted'],
  [429, 'CommodityNotPurchased', 'Commodity has not purchased yet.', 'quota_exhausted'],
  [500, 'InternalError', 'An internal error has occured.', 'upstream_unavailable', 'upstream_failed'],
  [500, 'InternalError.Algo', 'inference error', 'upstream_unavailable', 'upstream_failed'],
  [500, 'InternalError.Timeout', 'Request timeout', 'upstream_timeout', 'upstream_failed'],
];

const CLEAR_REFUSAL = (status: number) => (status < 500 ? 'no' : 'unknown');

describe('a refusal', () => {
  it.each(ERRORS)('%i %s "%s" is %s, also inside a 200', async (status, code, message, reason) => {
    for (const sent of [status, 200]) {
      const { provider } = await canned(() => ({ status: sent, body: { code, message, request_id: 'r1' } }));
      const error = await settled(provider.submit(aJob(), sending(signal())));
      expect(error).toBeInstanceOf(UpstreamError);
      expect(error).toMatchObject({ reason, created: CLEAR_REFUSAL(status) });
      expect(String((error as UpstreamError).detail)).toContain(code);
      expect(await settled(provider.poll(handleOf('t1'), signal()))).toMatchObject({ reason });
    }
  });

  it('of the OpenAI-compatible endpoint is read the same way', async () => {
    const { provider } = await canned(() => ({
      status: 401,
      body: { error: { code: 'invalid_api_key', message: 'Incorrect API key provided.' } },
    }));
    expect(await settled(provider.poll(handleOf('t1'), signal()))).toMatchObject({ reason: 'auth_failed' });
  });

  it.each([
    ['an empty body', ''],
    ['no task', { request_id: 'r' }],
    ['an unknown word in a 200', { code: 'SomethingNew', message: 'what?' }],
  ])('that cannot be read (%s) leaves the submission unknown', async (_what, body) => {
    const { provider } = await canned(() => ({ body }));
    expect(await settled(provider.submit(aJob(), sending(signal())))).toMatchObject({ created: 'unknown' });
  });

  it('never shows the key', async () => {
    const { provider } = await canned(({ headers }) => ({
      status: 200,
      body: { code: 'InvalidApiKey', message: `you sent ${headers.authorization}` },
    }));
    const error = (await settled(provider.submit(aJob(), sending(signal())))) as UpstreamError;
    expect(JSON.stringify([error.message, error.detail])).not.toContain(KEY);
  });
});

const told = (output: object, usage?: object) => ({
  body: { request_id: 'r', output: { task_id: 't1', ...output }, usage },
});

describe('a task', () => {
  it.each(ERRORS)('failed with %i %s "%s": %s', async (_status, code, message, call, task = call) => {
    const { provider } = await canned(() => told({ task_status: 'FAILED', code, message }));
    const answer = await provider.poll(handleOf('t1'), signal());
    expect(answer).toMatchObject({ state: 'failed', reason: task, detail: expect.stringContaining(code) });
  });

  it.each([
    ['PENDING', { state: 'queued' }],
    ['RUNNING', { state: 'in_progress' }],
    ['CANCELED', { state: 'failed', reason: 'cancelled' }],
    ['UNKNOWN', { state: 'missing' }],
    ['SOMETHING_NEW', { state: 'in_progress' }],
    // Filtered without a code, as has been seen, and finished without a video.
    ['FAILED', { state: 'failed', reason: 'upstream_failed' }],
    ['SUCCEEDED', { state: 'failed', reason: 'upstream_failed', detail: 'finished without a video' }],
  ])('of status %s is %o', async (task_status, answer) => {
    const { provider } = await canned(() => told({ task_status }));
    expect(await provider.poll(handleOf('t1'), signal())).toMatchObject(answer);
  });

  it('that fails because of its content without a code has that reason', async () => {
    const message = 'Green net check rejected image (output)';
    const { provider } = await canned(() => told({ task_status: 'FAILED', message }));
    expect(await provider.poll(handleOf('t1'), signal())).toMatchObject({
      reason: 'content_rejected',
      message,
    });
  });

  it('that is unknown has expired after a day, and is missing before', async () => {
    const { provider } = await canned(() => told({ task_status: 'UNKNOWN' }));
    const asked = (hours: number) =>
      provider.poll(handleOf('t1', { intendedAt: Date.now() - hours * 3_600_000 }), signal());
    expect(await asked(23.9)).toMatchObject({ state: 'missing' });
    expect(await asked(24.1)).toMatchObject({ state: 'failed', reason: 'expired' });
  });

  it.each([
    [{ video_duration: 5, video_count: 1 }, 5],
    [{ duration: 8, output_video_duration: 5, input_video_duration: 3 }, 5],
    [{ duration: 4 }, 4],
    [undefined, undefined],
  ])('has its length in %o', async (usage, duration) => {
    const video_url = 'https://bucket.oss-cn-beijing.aliyuncs.com/a.mp4?Expires=1800000000&Signature=x';
    const { provider } = await canned(() => told({ task_status: 'SUCCEEDED', video_url }, usage));
    expect(await provider.poll(handleOf('t1'), signal())).toEqual({
      state: 'succeeded',
      result: {
        ref: video_url,
        expiresAt: 1_800_000_000_000,
        ...(duration === undefined ? {} : { duration }),
        ...(usage && 'input_video_duration' in usage ? { usage: { inputSeconds: 3 } } : {}),
      },
    });
  });
});

describe('moderation', () => {
  it('is reported at once for a prompt and later for a video', async () => {
    const { provider } = await simulated();
    expect(
      await settled(provider.submit(aJob({ prompt: 'x [moderation-input]' }), sending(signal()))),
    ).toMatchObject({
      reason: 'content_rejected',
      created: 'no',
      message: 'Green net check rejected text (input)',
    });
    const { upstreamId } = await provider.submit(
      aJob({ prompt: 'x [moderation] [instant]' }),
      sending(signal()),
    );
    expect(await provider.poll(handleOf(upstreamId), signal())).toMatchObject({
      reason: 'content_rejected',
      message: 'Output data may contain inappropriate content.',
    });
  });
});
