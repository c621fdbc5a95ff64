import { type Simulators, startSimulators } from '@onetake/simulators';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import type { Service } from './world.ts';

/** The models as quick as the simulator. */
const QUICK = `
models:
  veo-3.1-fast-generate-001: { typical: { medianSeconds: 1, p90Seconds: 2 } }
  gemini-omni-1.1-flash: { typical: { medianSeconds: 1, p90Seconds: 2 } }
`;

const VEO = { model: 'veo-3.1-fast-generate-001', duration: 4 };

async function gateway(
  service: Service,
): Promise<{ t: TestGateway } & Pick<Simulators, 'ledger' | 'faults'>> {
  const simulators = await startSimulators({ only: [service], scale: 0.005, limits: false });
  onTestFinished(() => simulators.close());
  const t = await startTestGateway(simulators.environment, { file: QUICK });
  onTestFinished(() => t.end());
  return { t, ledger: simulators.ledger, faults: simulators.faults };
}

async function over(t: TestGateway, body: Json): Promise<Json> {
  const { body: submitted } = await t.submit({ ...VEO, ...body });
  expect(submitted.task_id, JSON.stringify(submitted)).toBeDefined();
  for (;;) {
    const { body: task } = await t.json(`/v1/video/generations/${submitted.task_id}?wait=30`);
    if (task.status === 'succeeded' || task.status === 'failed') return task;
  }
}

describe.each(['gemini', 'vertex'] as const)('through a whole gateway, Veo on %s', (service) => {
  it('needs only environment variables: a video is made and billed once, or fails with the message of the filters', async () => {
    const { t, ledger } = await gateway(service);
    const [task, filtered] = await Promise.all([
      over(t, { prompt: 'a paper boat' }),
      over(t, { prompt: 'a paper boat [filtered]' }),
    ]);
    expect(task).toMatchObject({ status: 'succeeded', duration: 4, size: '1280x720' });
    const bytes = Buffer.from(await (await fetch(task.url)).arrayBuffer());
    expect(bytes.toString('latin1', 4, 8)).toBe('ftyp');
    expect(filtered).toMatchObject({
      status: 'failed',
      error: { code: 400, reason: 'content_rejected', message: expect.stringContaining('usage guidelines') },
    });
    expect(ledger.count({ operation: 'submit' })).toBe(2);
    expect(ledger.bills()).toBe(1);
    expect(t.log.join('\n')).not.toMatch(/gemini-default-key|PRIVATE KEY|ya29\.|assertion/);
  });

  it('extends its own video by seven seconds and charges for these', async () => {
    const { t, ledger } = await gateway(service);
    const first = await over(t, { prompt: 'a paper boat' });
    const { body: wrong } = await t.submit({
      ...VEO,
      prompt: 'it sails on',
      video_url: first.url,
      duration: 8,
    });
    expect(wrong.error).toMatchObject({ code: 400, param: 'duration' });
    const extended = await over(t, { prompt: 'it sails on', video_url: first.url, duration: 7 });
    expect(extended).toMatchObject({ status: 'succeeded', duration: 11, usage: { cost: 0.7 } });
    expect(ledger.jobs().map(({ bills }) => bills[0]?.quantity)).toEqual([4, 7]);
  });
});

describe('through a whole gateway, Omni', () => {
  const OMNI = { model: 'gemini-omni-1.1-flash', duration: 3, resolution: '360p', aspect_ratio: '9:16' };

  it('needs only a key: a video is made and billed once, or declined in the words of the model', async () => {
    const { t, ledger } = await gateway('gemini');
    const [task, declined] = await Promise.all([
      over(t, { ...OMNI, prompt: 'a paper boat' }),
      over(t, { ...OMNI, prompt: 'a paper boat [moderation]' }),
    ]);
    expect(task).toMatchObject({ status: 'succeeded', duration: 3, size: '360x640' });
    const [bill] = ledger.jobs({ prompt: 'a paper boat' })[0]?.bills ?? [];
    // The cost includes what the model thinks, which the bill of the video does not.
    expect(task.usage.cost).toBeGreaterThan(bill?.usd ?? Number.NaN);
    expect(task.usage.cost).toBeLessThan((bill?.usd ?? 0) + 0.03);
    expect(declined).toMatchObject({
      status: 'failed',
      error: { reason: 'content_rejected', message: expect.stringContaining('safety guidelines') },
    });
    expect(ledger.count({ operation: 'submit' })).toBe(2);
    expect(ledger.bills()).toBe(1);
    expect(t.log.join('\n')).not.toContain('gemini-default-key');
  });

  it('refuses at once what the model does not take, and says what it takes', async () => {
    const { t, ledger } = await gateway('gemini');
    const refused = async (body: Json) => (await t.submit({ ...OMNI, prompt: 'a boat', ...body })).body.error;
    expect(await refused({ duration: 11 })).toMatchObject({ code: 400, param: 'duration' });
    expect(await refused({ generate_audio: false })).toMatchObject({ code: 400, param: 'generate_audio' });
    expect(await refused({ aspect_ratio: '1:1' })).toMatchObject({ code: 400, param: 'aspect_ratio' });
    expect(
      await refused({ provider_options: { google: { previous_interaction_id: 'v1_a' } } }),
    ).toMatchObject({ code: 400, message: expect.stringContaining('previous_interaction_id') });
    expect(ledger.count()).toBe(0);
  });

  it('stops a task upstream that its caller cancels', async () => {
    const { t, ledger } = await gateway('gemini');
    const { body } = await t.submit({ ...OMNI, prompt: 'a paper boat [hold]' });
    await vi.waitFor(() => expect(ledger.count({ operation: 'poll' })).toBeGreaterThan(0), 20_000);
    const { body: task } = await t.json(`/v1/video/generations/${body.task_id}/cancel`, { method: 'POST' });
    expect(task).toMatchObject({ status: 'failed', error: { reason: 'cancelled' } });
    expect(ledger.count({ operation: 'cancel' })).toBe(1);
    expect(ledger.bills()).toBe(0);
  });

  it('does not repeat a submission whose answer is lost, and says that its outcome is not known', async () => {
    const { t, ledger, faults } = await gateway('gemini');
    faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
    const task = await over(t, { ...OMNI, prompt: 'a paper boat' });
    expect(task).toMatchObject({ status: 'failed', error: { reason: 'submission_unknown' } });
    expect(ledger.jobs()).toHaveLength(1);
  });
});
