import { describe, expect, it, onTestFinished } from 'vitest';
import { startTestGateway } from '../../support/gateway.ts';
import { SERVICES, shipped, simulatorOf } from './world.ts';

describe.each(Object.entries(SERVICES))('through a whole gateway, %s', (provider, { request, isFree }) => {
  it('makes a video that is submitted and billed once, with nothing but an account', async () => {
    const { credentials, base_url_env: address = '', models } = shipped(provider);
    const [model = ''] = Object.keys(models);
    const simulators = await simulatorOf(provider);
    onTestFinished(() => simulators.close());
    const env = simulators.environment;
    const secrets = Object.entries(credentials).map(([name, { env: variable }]) => [name, { env: variable }]);
    const account = {
      provider,
      ...Object.fromEntries(secrets),
      base_url: env[address],
      // Polls as frequent as the simulators are quick.
      limits: { min_poll_interval_ms: 100 },
    };
    const typical = { medianSeconds: 1, p90Seconds: 2 };
    const gateway = await startTestGateway(
      { ONETAKE_PREVIEW_CONCURRENCY: '0', ...env },
      { file: JSON.stringify({ accounts: { mine: account }, models: { [model]: { typical } } }) },
    );
    onTestFinished(() => gateway.end());
    const { duration, resolution } = request;
    const task = await gateway.finished({ model, duration, resolution, seed: undefined });
    const bytes = Buffer.from(await (await fetch(task.url)).arrayBuffer());
    expect(task).toMatchObject({ status: 'succeeded', model });
    expect(bytes.length).toBe(task.bytes);
    expect(bytes.subarray(4, 8).toString('latin1')).toBe('ftyp');
    expect(simulators.ledger.count({ operation: 'submit' })).toBe(1);
    expect(simulators.ledger.bills()).toBe(isFree ? 0 : 1);
    const told = `${JSON.stringify(task)} ${gateway.log.join('\n')}`;
    for (const [name, value] of Object.entries(simulators.environment))
      if (!name.endsWith('_URL')) expect(told, name).not.toContain(value);
    expect(told).not.toMatch(/X-Amz-Signature=(?!\[secret\])/);
  });
});
