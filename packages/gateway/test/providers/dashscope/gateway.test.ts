import type { Simulators } from '@onetake/simulators';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { simulated } from './world.ts';

/** As quick as the simulator. */
const FILE = `
models:
  wan3.0-video: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

const BOAT = { model: 'wan3.0-video', prompt: 'a paper boat [instant]', duration: 2, resolution: '480p' };

async function world(): Promise<{ simulators: Simulators; t: TestGateway }> {
  const { simulators } = await simulated();
  const t = await startTestGateway(simulators.environment, { file: FILE });
  onTestFinished(() => t.end());
  return { simulators, t };
}

async function over(t: TestGateway, submitted: Json): Promise<Json> {
  expect(submitted.task_id, JSON.stringify(submitted)).toBeDefined();
  for (;;) {
    const { body } = await t.json(`/v1/video/generations/${submitted.task_id}?wait=30`);
    if (body.status === 'succeeded' || body.status === 'failed') return body;
  }
}

describe('a whole gateway with a DashScope account in its environment', () => {
  it('makes a video that is paid for once, and never logs the key', async () => {
    const { simulators, t } = await world();
    const task = await over(t, (await t.submit(BOAT)).body);
    expect(task).toMatchObject({ status: 'succeeded', model: 'wan3.0-video', size: '832x480' });
    expect(task.url).toBeDefined();
    const video = await t.call(`/v1/video/generations/${task.task_id}/content`);
    expect((await video.arrayBuffer()).byteLength).toBe(task.bytes);
    expect([simulators.ledger.jobs().length, simulators.ledger.bills()]).toEqual([1, 1]);
    expect(t.log.join('')).not.toContain(simulators.environment.DASHSCOPE_API_KEY);
  });

  it('finds a submission whose answer was lost, instead of paying for it twice', async () => {
    const { simulators, t } = await world();
    simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
    const task = await over(t, (await t.submit(BOAT)).body);
    expect(task.status).toBe('succeeded');
    expect([simulators.ledger.jobs().length, simulators.ledger.bills()]).toEqual([1, 1]);
  });

  it('fails a refused prompt with the message of the reference service, without a bill', async () => {
    const { simulators, t } = await world();
    for (const marker of ['[moderation-input]', '[moderation]']) {
      const task = await over(t, (await t.submit({ ...BOAT, prompt: `a boat ${marker} [instant]` })).body);
      expect(task).toMatchObject({ status: 'failed', error: { code: 400, reason: 'content_rejected' } });
    }
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('cancels a task that waits upstream', async () => {
    const { simulators, t } = await world();
    const { body: submitted } = await t.submit({ ...BOAT, prompt: 'a boat [queued]' });
    for (;;) {
      const job = simulators.ledger.jobs()[0];
      if (job) break;
      await t.json(`/v1/video/generations/${submitted.task_id}`);
    }
    await t.json(`/v1/video/generations/${submitted.task_id}/cancel`, { method: 'POST' });
    const task = await over(t, submitted);
    expect(task.error).toMatchObject({ code: 499, reason: 'cancelled' });
    const [job] = simulators.upstream('dashscope').jobs.all();
    expect(job?.state).toBe('cancelled');
  });
});
