import { probe } from '@onetake/video';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../src/index.ts';

async function started(limits = false, settings = {}) {
  const simulators = await startSimulators({
    only: ['vidu'],
    scale: 0.001,
    limits,
    settings: { vidu: settings },
  });
  onTestFinished(() => simulators.close());
  const { VIDU_BASE_URL: base = '', VIDU_API_KEY: key = '' } = simulators.environment;
  async function call(method: string, path: string, body?: unknown, token = key) {
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { authorization: `Token ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read any member of answers, and then assert it
    const answer: any = await response.json();
    return { status: response.status, body: answer };
  }
  return { simulators, call };
}

const BODY = {
  model: 'viduq3-pro',
  prompt: 'a paper boat',
  duration: 2,
  resolution: '720p',
  aspect_ratio: '9:16',
};
const IMAGE = 'data:image/png;base64,AAAA';

describe("Vidu's API as documented, against the simulator", () => {
  it('makes a video, and bills its credits', async () => {
    const { simulators, call } = await started();
    const made = await call('POST', '/text2video', { ...BODY, payload: 'mine' });
    expect(made).toMatchObject({ status: 200, body: { state: 'created', model: 'viduq3-pro', credits: 60 } });
    simulators.finishAll();
    const done = (await call('GET', `/tasks/${made.body.task_id}/creations`)).body;
    expect(done).toMatchObject({
      state: 'success',
      err_code: '',
      payload: 'mine',
      creations: [{ id: expect.any(String) }],
    });
    const bytes = await (await fetch(done.creations[0].url)).arrayBuffer();
    expect(await probe(Buffer.from(bytes))).toMatchObject({ width: 720, height: 1280, seconds: 2 });
    expect(simulators.ledger.jobs()[0]?.bills[0]).toMatchObject({ quantity: 60, unit: 'credits', usd: 0.3 });
  });

  it.each([
    ['/text2video', { ...BODY, duration: '5' }, 'FieldInvalid'],
    ['/text2video', { ...BODY, duration: 17 }, 'FieldInvalid'],
    ['/text2video', { ...BODY, aspect_ratio: '21:9' }, 'FieldInvalid'],
    ['/text2video', { ...BODY, prompt: '' }, 'FieldLacking'],
    ['/text2video', { ...BODY, model: 'vidu9' }, 'ModelUnavailable'],
    ['/text2video', { ...BODY, images: [IMAGE] }, 'FieldItemCountOutOfRange'],
    ['/img2video', BODY, 'FieldItemCountOutOfRange'],
    ['/img2video', { ...BODY, images: ['AAAA'] }, 'ImageFormatInvalid'],
    ['/img2video', { ...BODY, model: 'viduq3', images: [IMAGE] }, 'ModelUnavailable'],
    ['/reference2video', { ...BODY, model: 'viduq3', duration: 3 }, 'FieldItemCountOutOfRange'],
    [
      '/reference2video',
      { ...BODY, model: 'viduq3', duration: 3, images: Array(8).fill(IMAGE) },
      'FieldItemCountOutOfRange',
    ],
    ['/reference2video', { ...BODY, model: 'viduq3', images: [IMAGE], duration: 2 }, 'FieldInvalid'],
    ['/reference2video', { ...BODY, model: 'viduq3-pro', images: [IMAGE] }, 'ModelUnavailable'],
    ['/start-end2video', { ...BODY, images: [IMAGE] }, 'FieldItemCountOutOfRange'],
    ['/text2video', { ...BODY, prompt: 'a boat [moderation-input]' }, 'AuditSubmitIllegal'],
  ])('refuses at %s %j with %s', async (path, body, reason) => {
    const { simulators, call } = await started();
    expect(await call('POST', path, body)).toMatchObject({ status: 400, body: { code: 400, reason } });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it('stops a task that waits, and none that runs', async () => {
    const { call } = await started();
    const [waits, runs] = [
      (await call('POST', '/text2video', { ...BODY, prompt: 'a boat [queued]' })).body.task_id,
      (await call('POST', '/text2video', { ...BODY, prompt: 'a boat [hold]' })).body.task_id,
    ];
    const stateOf = async (id: string) => (await call('GET', `/tasks/${id}/creations`)).body;
    await expect.poll(async () => (await stateOf(runs)).state).toBe('processing');
    expect(await call('POST', `/tasks/${waits}/cancel`, { id: waits })).toEqual({ status: 200, body: {} });
    expect(await stateOf(waits)).toMatchObject({ state: 'failed', err_code: 'UserCancelled' });
    expect(await call('POST', `/tasks/${runs}/cancel`, { id: runs })).toMatchObject({
      status: 400,
      body: { reason: 'BadRequest', message: expect.stringContaining('can not cancel') },
    });
  });

  it('refuses a wrong key, an account without credits, and more tasks than it may run', async () => {
    const { simulators, call } = await started(true, { concurrency: 1 });
    expect(await call('POST', '/text2video', BODY, 'wrong')).toMatchObject({ status: 401 });
    await call('POST', '/text2video', { ...BODY, prompt: 'a boat [hold]' });
    expect(await call('POST', '/text2video', BODY)).toMatchObject({
      status: 429,
      body: { reason: 'QuotaExceeded' },
    });
    simulators.upstream('vidu').accounts.set('default', 'quota_exhausted');
    expect(await call('POST', '/text2video', BODY)).toMatchObject({ body: { reason: 'CreditInsufficient' } });
  });
});
