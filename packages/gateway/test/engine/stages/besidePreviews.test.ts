import { startSimulators } from '@onetake/simulators';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { QUICK, startTestGateway } from '../../support/gateway.ts';

/** Polled about once a second. */
const QUICK_MODELS = `
models:
  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }
  seedance-2.0: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

it('upstreams are still polled after previews beside them have ended', async () => {
  const simulators = await startSimulators({ only: ['openai', 'ark'], limits: false });
  onTestFinished(() => simulators.close());
  const gateway = await startTestGateway({ ...simulators.environment }, { file: QUICK_MODELS });
  onTestFinished(() => gateway.end());
  const submitted = async (body: Record<string, unknown>): Promise<string> => {
    const { body: task } = await gateway.submit(body);
    if (!task.task_id) throw new Error(JSON.stringify(task));
    return task.task_id;
  };
  const is = async (id: string, status: string) => {
    const { body } = await gateway.json(`/v1/video/generations/${id}`);
    expect(body).toMatchObject({ status });
    return body;
  };

  const previews = await Promise.all([1, 2, 3, 4].map((seed) => submitted({ ...QUICK, seed })));
  const paid = [
    await submitted({ model: 'sora-2', prompt: 'a boat [hold]', duration: 4 }),
    await submitted({ model: 'seedance-2.0', prompt: 'a boat [hold]', duration: 4, resolution: '480p' }),
  ];
  await eventually(() => expect(simulators.ledger.jobs()).toHaveLength(2));
  for (const id of previews) await eventually(() => is(id, 'succeeded'));

  simulators.finishAll();
  for (const id of paid) await eventually(() => is(id, 'succeeded'));
  expect(gateway.log.join('')).not.toContain('may no longer act for its tasks');
});
