import { describe, expect, it } from 'vitest';
import { canned, handleOf, signal } from './world.ts';

const HOUR_MS = 3_600_000;
/** The example of the documents: submitted, begun seven seconds later, over after four minutes and a half. */
const LOCAL = {
  submit_time: '2025-09-25 11:07:28.590',
  scheduled_time: '2025-09-25 11:07:35.349',
  end_time: '2025-09-25 11:11:55.255',
};
const asUtc = (time: string): number => Date.parse(`${time.replace(' ', 'T')}Z`);

async function answerTo(output: object, intendedAt: number) {
  const { provider } = await canned(() => ({ body: { output: { task_id: 't1', ...output } } }));
  return provider.poll(handleOf('t1', { intendedAt }), signal());
}

describe('the times of a task', () => {
  it.each([
    ['Beijing', 8],
    ['Virginia', -5],
    ['UTC', 0],
  ])('in the local time of %s are converted by the time of the submission', async (_where, hours) => {
    const aheadMs = hours * HOUR_MS;
    // The clocks are minutes apart, and the submission waited for its turn.
    const intendedAt = asUtc(LOCAL.submit_time) - aheadMs - 12 * 60_000;
    expect(
      await answerTo({ task_status: 'SUCCEEDED', video_url: 'https://oss/v.mp4', ...LOCAL }, intendedAt),
    ).toEqual({
      state: 'succeeded',
      result: { ref: 'https://oss/v.mp4' },
      startedAt: asUtc(LOCAL.scheduled_time) - aheadMs,
      endedAt: asUtc(LOCAL.end_time) - aheadMs,
    });
  });

  it('are Beijing time if the time of the submission is missing', async () => {
    const { scheduled_time } = LOCAL;
    expect(await answerTo({ task_status: 'RUNNING', scheduled_time }, Date.now())).toEqual({
      state: 'in_progress',
      startedAt: asUtc(scheduled_time) - 8 * HOUR_MS,
    });
  });

  it.each(['FAILED', 'CANCELED'])('include the end of one that is %s', async (task_status) => {
    const intendedAt = asUtc(LOCAL.submit_time) - 8 * HOUR_MS;
    expect(await answerTo({ task_status, ...LOCAL }, intendedAt)).toMatchObject({
      state: 'failed',
      endedAt: asUtc(LOCAL.end_time) - 8 * HOUR_MS,
    });
  });

  it('do not include a start while it waits, and none that cannot be read', async () => {
    const intendedAt = asUtc(LOCAL.submit_time) - 8 * HOUR_MS;
    expect(await answerTo({ task_status: 'PENDING', ...LOCAL }, intendedAt)).toEqual({ state: 'queued' });
    const odd = { submit_time: 'now', scheduled_time: '2025-13-40 11:07:35', end_time: 7 };
    expect(await answerTo({ task_status: 'RUNNING', ...odd }, intendedAt)).toEqual({ state: 'in_progress' });
  });

  it('are milliseconds UTC in the list', async () => {
    const items = [
      { task_id: 'a', status: 'RUNNING', gmt_create: 1_790_000_000_000, start_time: 1_790_000_005_000 },
      { task_id: 'b', status: 'PENDING', gmt_create: 1_790_000_000_000 },
    ];
    const { provider } = await canned(() => ({ body: { data: items, total_page: 1 } }));
    const answers = await provider.pollMany?.([handleOf('a'), handleOf('b')], signal());
    expect(answers).toEqual(
      new Map([
        ['a', { state: 'in_progress', startedAt: 1_790_000_005_000 }],
        ['b', { state: 'queued' }],
      ]),
    );
  });
});
