import { startSimulators } from '@onetake/simulators';
import { expect, it, onTestFinished } from 'vitest';
import { startTestGateway } from '../../support/gateway.ts';

it('provider_options that would not reach the model are a 400 that names them, and nothing is submitted', async () => {
  const simulators = await startSimulators({ only: ['ark'], limits: false });
  onTestFinished(() => simulators.close());
  const t = await startTestGateway(simulators.environment);
  onTestFinished(() => t.end());
  const seedance = { model: 'seedance-2.0', prompt: 'a paper boat', seed: 1 };
  const refused = [
    [
      { model: 'onetake-preview', prompt: 'a boat', provider_options: { preview: { fps: 24 } } },
      'preview.fps',
    ],
    [{ ...seedance, provider_options: { ark: { priority: 1, seed: 2 } } }, 'ark.seed'],
    [{ ...seedance, provider_options: { ark: { callback_url: 'https://example.com' } } }, 'ark.callback_url'],
  ] as const;
  for (const [body, path] of refused) {
    const { status, body: answer } = await t.submit(body);
    expect(status).toBe(400);
    expect(answer.error).toMatchObject({
      code: 400,
      param: `provider_options.${path}`,
      message: expect.stringContaining(path.split('.')[1] ?? ''),
    });
  }
  expect(simulators.ledger.jobs()).toEqual([]);
  const { status } = await t.submit({ ...seedance, provider_options: { ark: { priority: 1 } } });
  expect(status).toBe(200);
});
