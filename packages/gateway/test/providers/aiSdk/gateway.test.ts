import { startSimulators } from '@onetake/simulators';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startTestGateway } from '../../support/gateway.ts';

/** Polls as frequent as the simulators are quick. */
const account = (name: string, packageName: string, key: string, baseUrl: string): string => `
  ${name}:
    provider: ai-sdk
    package: '${packageName}'
    api_key: { env: ${key} }
    base_url: ${baseUrl}
    limits: { min_poll_interval_ms: 100 }`;

describe('through a whole gateway', () => {
  it('each service makes a video that is submitted and billed once, with a key in the environment or an account in the file', async () => {
    const simulators = await startSimulators({
      only: ['xai', 'minimax', 'replicate', 'fal'],
      scale: 0.001,
      limits: false,
    });
    onTestFinished(() => simulators.close());
    const env = simulators.environment;
    const wanted = [
      { model: 'grok-imagine-video', duration: 1, resolution: '480p' },
      { model: 'minimax-h3-max', duration: 5, resolution: '480p' },
      { model: 'replicate-seedance-1-pro', duration: 2, resolution: '480p' },
      { model: 'fal-veo3.1', duration: 4, resolution: '720p' },
    ];
    // Replicate's account comes only from the environment.
    const file = `
accounts:${account('xai', '@ai-sdk/xai', 'XAI_API_KEY', env.XAI_BASE_URL ?? '')}${account(
      'hailuo',
      '@ai-sdk/minimax',
      'MINIMAX_API_KEY',
      env.MINIMAX_VIDEO_BASE_URL ?? '',
    )}${account('fal', '@ai-sdk/fal', 'FAL_KEY', env.FAL_QUEUE_URL ?? '')}
models:
${wanted.map(({ model }) => `  ${model}: { typical: { medianSeconds: 1, p90Seconds: 2 } }`).join('\n')}`;
    const gateway = await startTestGateway({ ONETAKE_PREVIEW_CONCURRENCY: '0', ...env }, { file });
    onTestFinished(() => gateway.end());

    const tasks = await Promise.all(wanted.map((body) => gateway.finished({ ...body, seed: undefined })));
    for (const [index, task] of tasks.entries()) {
      const response = await fetch(task.url);
      const bytes = Buffer.from(await response.arrayBuffer());
      expect(response.status).toBe(200);
      expect(bytes.length).toBe(task.bytes);
      expect(bytes.subarray(4, 8).toString('latin1')).toBe('ftyp');
      expect(task).toMatchObject({ status: 'succeeded', model: wanted[index]?.model });
    }
    expect(simulators.ledger.jobs()).toHaveLength(4);
    expect(simulators.ledger.count({ operation: 'submit' })).toBe(4);
    expect(simulators.ledger.bills()).toBe(4);
    // A caller sees neither the origin of a video nor the credentials. The log has no key either.
    expect(JSON.stringify(tasks)).not.toMatch(/X-Amz-Signature|requestId|package/);
    const told = gateway.log.join('\n');
    for (const key of Object.values(simulators.keys)) expect(told).not.toContain(key);
    expect(told).not.toMatch(/X-Amz-Signature=(?!\[secret\])/);
  });
});
