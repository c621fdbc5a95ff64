import { describe, expect, it, onTestFinished } from 'vitest';
import { type SimulatorsOptions, startSimulators } from '../../src/index.ts';

const ASYNC = { 'X-DashScope-Async': 'enable' };
const PICTURE = 'data:image/png;base64,iVBORw0KGgo=';

// biome-ignore lint/suspicious/noExplicitAny: tests read any member of an answer and assert what they find
type Json = any;

/** The service, with plain requests for a submission and a query of its task. */
async function serviceWith(options: SimulatorsOptions = {}) {
  const simulators = await startSimulators({ only: ['dashscope'], scale: 0.001, ...options });
  onTestFinished(() => simulators.close());
  const { url, key } = simulators.upstream('dashscope');
  async function call(path: string, init: RequestInit = {}): Promise<{ status: number; body: Json }> {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...init.headers };
    const response = await fetch(`${url}/api/v1/${path}`, { ...init, headers });
    return { status: response.status, body: await response.json() };
  }
  const submit = (body: object, { path = 'video-generation', headers = {} } = {}) =>
    call(`services/aigc/${path}/video-synthesis`, {
      method: 'POST',
      headers: { ...ASYNC, ...headers },
      body: JSON.stringify(body),
    });
  async function finished(...of: Parameters<typeof submit>) {
    const { body } = await submit(...of);
    simulators.finishAll();
    return (await call(`tasks/${body.output.task_id}`)).body;
  }
  return { simulators, submit, finished };
}

describe('a submission', () => {
  it('counts for its model, and other models have their own limit', async () => {
    const { submit } = await serviceWith({ scale: 100, settings: { dashscope: { submitsPerSecond: 1 } } });
    const both = async () => {
      const answers = ['wan2.7-t2v', 'wan3.0-video'].map((model) =>
        submit({ model, input: { prompt: 'a' } }),
      );
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(await both()).toEqual([200, 200]);
    expect(await both()).toEqual([429, 429]);
  });

  it('may name a temporary URL with the header that resolves it', async () => {
    const { finished } = await serviceWith();
    const body = { model: 'wan2.6-i2v', input: { prompt: 'a', img_url: 'oss://bucket/1.png' } };
    const headers = { 'X-DashScope-OssResourceResolve': 'enable' };
    expect((await finished(body, { headers })).output.task_status).toBe('SUCCEEDED');
    expect((await finished(body)).output).toMatchObject({ task_status: 'FAILED', code: 'InvalidParameter' });
  });

  it('without a resolution has the default of its model', async () => {
    const { finished } = await serviceWith();
    const input = { prompt: 'a', first_frame_url: PICTURE, last_frame_url: PICTURE };
    const frames = { model: 'wan2.2-kf2v-flash', input };
    expect((await finished(frames, { path: 'image2video' })).usage.SR).toBe(720);
    expect((await finished({ model: 'wan2.7-t2v', input: { prompt: 'a' } })).usage.SR).toBe(1080);
  });

  it('to Wan 3 may have a cinema ratio and is billed by its resolution', async () => {
    const { simulators, finished } = await serviceWith();
    const parameters = { resolution: '480P', ratio: '21:9', duration: 2 };
    const { usage } = await finished({ model: 'wan3.0-video', input: { prompt: 'a' }, parameters });
    expect(usage).toMatchObject({ SR: 480, ratio: '21:9' });
    expect(simulators.ledger.jobs()[0]?.bills).toEqual([{ quantity: 2, unit: 'seconds', usd: 0.1 }]);
  });
});
