import { probe } from '@onetake/video';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../src/index.ts';

async function started(limits = false, settings = {}) {
  const simulators = await startSimulators({
    only: ['luma'],
    scale: 0.001,
    limits,
    settings: { luma: settings },
  });
  onTestFinished(() => simulators.close());
  const { LUMAAI_BASE_URL: base = '', LUMAAI_API_KEY: key = '' } = simulators.environment;
  async function call(method: string, path: string, body?: unknown, token = key) {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }
  return { simulators, call };
}

const BODY = {
  model: 'ray-2',
  prompt: 'a paper boat',
  duration: '5s',
  resolution: '720p',
  aspect_ratio: '9:16',
};
const FRAME = { type: 'image', url: 'https://example.com/boat.png' };

describe("Luma's API as documented, against the simulator", () => {
  it.each(['/generations/video', '/generations'])('makes a video at %s, which the list has', async (path) => {
    const { simulators, call } = await started();
    const made = await call('POST', path, BODY);
    expect(made).toMatchObject({
      status: 201,
      body: { state: expect.stringMatching(/queued|dreaming/), assets: null, request: BODY },
    });
    const { id } = made.body;
    simulators.finishAll();
    const done = (await call('GET', `/generations/${id}`)).body;
    expect(done).toMatchObject({ id, state: 'completed', failure_reason: null, model: 'ray-2' });
    const bytes = await (await fetch(done.assets.video)).arrayBuffer();
    expect(await probe(Buffer.from(bytes))).toMatchObject({ width: 720, height: 1280, seconds: 5 });
    expect((await call('GET', '/generations?limit=1')).body).toMatchObject({
      has_more: false,
      count: 1,
      generations: [{ id, request: { prompt: 'a paper boat' } }],
    });
    // "0.71 USD" for 5 s of Ray 2 at 720p.
    expect(simulators.ledger.jobs()[0]?.bills[0]?.usd).toBeCloseTo(0.708, 3);
    expect(await call('DELETE', `/generations/${id}`)).toEqual({ status: 204, body: undefined });
    expect(await call('GET', `/generations/${id}`)).toMatchObject({
      status: 404,
      body: { detail: expect.any(String) },
    });
  });

  it.each([
    ['no prompt', { ...BODY, prompt: '' }],
    ['a prompt that is too short', { ...BODY, prompt: 'ab' }],
    ['a prompt that is too long', { ...BODY, prompt: 'x'.repeat(5001) }],
    ['a duration as a number', { ...BODY, duration: 5 }],
    ['a model that is no more', { ...BODY, model: 'ray-1-6' }],
    ['another ratio', { ...BODY, aspect_ratio: '2:1' }],
    ['frames without any', { ...BODY, keyframes: {} }],
    [
      'an image as a data URL',
      { ...BODY, keyframes: { frame0: { type: 'image', url: 'data:image/png;base64,AAAA' } } },
    ],
    ['a loop to an end frame', { ...BODY, loop: true, keyframes: { frame1: FRAME } }],
  ])('refuses %s', async (_what, body) => {
    const { simulators, call } = await started();
    expect(await call('POST', '/generations/video', body)).toMatchObject({
      status: 400,
      body: { detail: expect.any(String) },
    });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it.each([
    ['[moderation-input]', 'Contains blacklisted words'],
    ['[moderation]', 'Advanced prompt moderation failed'],
    ['[invalid]', 'Failed to read user input frames'],
  ])('fails a generation with %s because "%s"', async (marker, reason) => {
    const { simulators, call } = await started();
    const { body } = await call('POST', '/generations/video', { ...BODY, prompt: `a boat ${marker}` });
    simulators.finishAll();
    expect((await call('GET', `/generations/${body.id}`)).body).toMatchObject({
      state: 'failed',
      failure_reason: reason,
      assets: null,
    });
  });

  it('refuses a wrong key, an account without credits, and more generations than it may run', async () => {
    const { simulators, call } = await started(true, { concurrency: 1 });
    expect(await call('POST', '/generations/video', BODY, 'wrong')).toMatchObject({
      status: 401,
      body: { detail: 'Invalid API key is provided' },
    });
    await call('POST', '/generations/video', { ...BODY, prompt: 'a boat [hold]' });
    expect((await call('POST', '/generations/video', BODY)).status).toBe(429);
    simulators.upstream('luma').accounts.set('default', 'quota_exhausted');
    expect((await call('POST', '/generations/video', BODY)).status).toBe(400);
  });
});
