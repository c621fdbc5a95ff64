import { probe } from '@onetake/video';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../src/index.ts';

async function started(limits = false) {
  const simulators = await startSimulators({ only: ['ltx'], scale: 0.001, limits });
  onTestFinished(() => simulators.close());
  const { LTXV_API_KEY = '' } = simulators.environment;
  async function call(path: string, body?: unknown, key = LTXV_API_KEY) {
    const response = await fetch(`${simulators.urls.ltx}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read any member of answers, and then assert it
    const answer: any = await response.json();
    return { status: response.status, headers: response.headers, body: answer };
  }
  return { simulators, call };
}

const TEXT = '/v2/text-to-video';
const IMAGE = '/v2/image-to-video';
const BODY = { model: 'ltx-2-5-fast', prompt: 'a paper boat', duration: 6, resolution: '720x1280' };

describe('the asynchronous LTX API as documented, against the simulator', () => {
  it('accepts a job, shows it at the endpoint that it was submitted to, and bills its seconds', async () => {
    const { simulators, call } = await started();
    const made = await call(TEXT, { ...BODY, prompt: 'a boat [hold]' });
    expect(made).toMatchObject({ status: 202, body: { id: expect.any(String) } });
    const path = `${TEXT}/${made.body.id}`;
    expect((await call(path)).body.status).toMatch(/^(?:pending|processing)$/);
    simulators.finishAll();
    const { body: done } = await call(path);
    expect(done).toMatchObject({ status: 'completed', completed_at: expect.stringMatching(/Z$/) });
    expect(await call(`${IMAGE}/${made.body.id}`)).toMatchObject({ status: 404 });
    const bytes = await (await fetch(done.result.video_url)).arrayBuffer();
    expect(await probe(Buffer.from(bytes))).toMatchObject({ width: 720, height: 1280, seconds: 6 });
    const [bill] = simulators.ledger.jobs()[0]?.bills ?? [];
    expect(bill).toMatchObject({ quantity: 6, unit: 'seconds', usd: expect.closeTo(0.54) });
  });

  it.each([
    ['a model that was removed', TEXT, { ...BODY, model: 'ltx-2-fast' }, 400],
    ['a resolution that the model does not have', TEXT, { ...BODY, resolution: '720x720' }, 400],
    ['4K of Pro', TEXT, { ...BODY, model: 'ltx-2-5-pro', resolution: '3840x2160' }, 400],
    ['a duration as a text', TEXT, { ...BODY, duration: '6' }, 400],
    ['a long video of many frames', TEXT, { ...BODY, duration: 20, fps: 50 }, 400],
    ['a long video in 4K', TEXT, { ...BODY, duration: 20, resolution: '3840x2160' }, 400],
    ['a prompt that is too long', TEXT, { ...BODY, prompt: 'x'.repeat(5001) }, 400],
    ['no image', IMAGE, BODY, 400],
    ['a prompt that is not allowed', TEXT, { ...BODY, prompt: 'a boat [moderation-input]' }, 422],
  ])('refuses %s', async (_what, path, body, status) => {
    const { simulators, call } = await started();
    const answer = await call(path, body);
    expect(answer).toMatchObject({
      status,
      body: { type: 'error', error: { type: expect.any(String), message: expect.any(String) } },
    });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it.each([
    ['[moderation]', 'content_filtered_error'],
    ['[fail]', 'api_error'],
  ])('fails a job with %s as %s', async (marker, type) => {
    const { simulators, call } = await started();
    const image = 'data:image/png;base64,AAAA';
    const made = await call(IMAGE, { ...BODY, prompt: `a boat ${marker}`, image_uri: image });
    simulators.finishAll();
    expect((await call(`${IMAGE}/${made.body.id}`)).body).toMatchObject({
      status: 'failed',
      error: { type },
    });
  });

  it('refuses a third job at a time, a wrong key, and an account without credits', async () => {
    const { simulators, call } = await started(true);
    for (let count = 0; count < 2; count++) await call(TEXT, { ...BODY, prompt: 'a boat [hold]' });
    const third = await call(TEXT, BODY);
    expect(third).toMatchObject({ status: 429, body: { error: { type: 'concurrency_limit_error' } } });
    expect(third.headers.get('retry-after')).toBeTruthy();
    expect(await call(TEXT, BODY, 'wrong')).toMatchObject({ status: 401 });
    simulators.upstream('ltx').accounts.set('default', 'quota_exhausted');
    expect(await call(TEXT, BODY)).toMatchObject({ status: 402 });
  });
});
