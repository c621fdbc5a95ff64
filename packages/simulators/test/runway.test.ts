import { probe } from '@onetake/video';
import RunwayML from '@runwayml/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../src/index.ts';

/** The simulator, and Runway's own SDK pointed at it. */
async function started(settings = {}) {
  const simulators = await startSimulators({
    only: ['runway'],
    scale: 0.001,
    settings: { runway: settings },
  });
  onTestFinished(() => simulators.close());
  const { RUNWAYML_BASE_URL: baseURL, RUNWAYML_API_SECRET: apiKey } = simulators.environment;
  const open = (options = {}) =>
    new RunwayML({ baseURL: baseURL ?? '', apiKey: apiKey ?? '', maxRetries: 0, ...options });
  return { simulators, client: open(), open };
}

const TEXT = { model: 'gen4.5', promptText: 'a paper boat', ratio: '1280:720', duration: 2 } as const;
const IMAGE = {
  ...TEXT,
  model: 'gen4_turbo',
  promptImage: 'data:image/png;base64,AAAA',
  ratio: '960:960',
} as const;

describe("Runway's SDK against the simulator", () => {
  it('makes a video of the requested size and length, and bills its credits', async () => {
    const { simulators, client } = await started();
    const { id, estimatedCost } = await client.imageToVideo.create({ ...IMAGE, promptText: 'a boat [hold]' });
    expect(estimatedCost).toEqual({ credits: 10 });
    await expect.poll(async () => (await client.tasks.retrieve(id)).status).toBe('RUNNING');
    const running = await client.tasks.retrieve(id);
    expect(running).toMatchObject({ progress: expect.any(Number), createdAt: expect.stringMatching(/Z$/) });
    simulators.finishAll();
    const task = await client.tasks.retrieve(id);
    if (task.status !== 'SUCCEEDED') throw new Error(task.status);
    const bytes = await (await fetch(task.output[0] ?? '')).arrayBuffer();
    expect(await probe(Buffer.from(bytes))).toMatchObject({ width: 960, height: 960, seconds: 2 });
    expect(simulators.ledger.jobs()[0]?.bills[0]).toMatchObject({ quantity: 10, unit: 'credits', usd: 0.1 });
  });

  it('throttles what exceeds the concurrency of a model, and cancels what runs', async () => {
    const { client } = await started({ concurrency: 1 });
    const first = await client.textToVideo.create({ ...TEXT, promptText: 'a boat [hold]' });
    await expect.poll(async () => (await client.tasks.retrieve(first.id)).status).toBe('RUNNING');
    const second = await client.textToVideo.create({ ...TEXT, promptText: 'a boat [hold]' });
    expect((await client.tasks.retrieve(second.id)).status).toBe('THROTTLED');
    await client.tasks.delete(first.id);
    await expect(client.tasks.retrieve(first.id)).rejects.toMatchObject({ status: 404 });
    await expect.poll(async () => (await client.tasks.retrieve(second.id)).status).toBe('RUNNING');
  });

  it.each([
    ['[moderation]', 'SAFETY.OUTPUT.VIDEO'],
    ['[moderation-input]', 'SAFETY.INPUT.TEXT'],
    ['[fail]', 'INTERNAL.BAD_OUTPUT.CODE01'],
  ])('fails a task with %s as %s', async (marker, failureCode) => {
    const { simulators, client } = await started();
    const { id } = await client.textToVideo.create({ ...TEXT, promptText: `a boat ${marker}` });
    simulators.finishAll();
    expect(await client.tasks.retrieve(id)).toMatchObject({ status: 'FAILED', failureCode });
  });

  it.each([
    ['a duration that is too long', { ...TEXT, duration: 11 }],
    ['a ratio that is only for images', { ...TEXT, ratio: '960:960' }],
    ['a model that needs an image', { ...TEXT, model: 'gen4_turbo' }],
    ['no text', { ...TEXT, promptText: '' }],
  ])('refuses %s with 400', async (_what, body) => {
    const { simulators, client } = await started();
    const refused = client.textToVideo.create(body as RunwayML.TextToVideoCreateParams);
    await expect(refused).rejects.toMatchObject({ status: 400, error: { error: expect.any(String) } });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it('refuses a wrong key, another version, and an account without credits', async () => {
    const { simulators, open } = await started();
    const asked = (options: object) => open(options).textToVideo.create(TEXT);
    await expect(asked({ apiKey: 'key_wrong' })).rejects.toMatchObject({ status: 401 });
    await expect(asked({ runwayVersion: '2023-01-01' })).rejects.toMatchObject({ status: 400 });
    simulators.upstream('runway').accounts.set('default', 'quota_exhausted');
    await expect(asked({})).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('enough credits'),
    });
  });
});
