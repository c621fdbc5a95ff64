import { type Simulators, startSimulators } from '@onetake/simulators';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import type { Service } from './world.ts';

/** Veo as quick as the simulator. */
const QUICK_VEO = `
models:
  veo-3.1-fast-generate-001: { typical: { medianSeconds: 1, p90Seconds: 2 } }
`;

const VEO = { model: 'veo-3.1-fast-generate-001', duration: 4 };

async function gateway(service: Service): Promise<{ t: TestGateway; ledger: Simulators['ledger'] }> {
  const simulators = await startSimulators({ only: [service], scale: 0.005, limits: false });
  onTestFinished(() => simulators.close());
  const t = await startTestGateway(simulators.environment, { file: QUICK_VEO });
  onTestFinished(() => t.end());
  return { t, ledger: simulators.ledger };
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
