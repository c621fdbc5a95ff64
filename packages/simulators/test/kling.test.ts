import { createHmac } from 'node:crypto';
import { probe } from '@onetake/video';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../src/index.ts';

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token as "General information" makes it. */
function tokenOf(
  accessKey: string,
  secretKey: string,
  { from = -5, until = 1800, alg = 'HS256' } = {},
): string {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${base64url({ alg, typ: 'JWT' })}.${base64url({ iss: accessKey, exp: now + until, nbf: now + from })}`;
  return `${signed}.${createHmac('sha256', secretKey).update(signed).digest('base64url')}`;
}

async function started(limits = false, settings = {}) {
  const simulators = await startSimulators({
    only: ['kling'],
    scale: 0.001,
    limits,
    settings: { kling: settings },
  });
  onTestFinished(() => simulators.close());
  const { KLING_ACCESS_KEY: accessKey = '', KLING_SECRET_KEY: secretKey = '' } = simulators.environment;
  async function call(
    path: string,
    body?: unknown,
    token: string | undefined = tokenOf(accessKey, secretKey),
  ) {
    const response = await fetch(`${simulators.urls.kling}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read any member of answers, and then assert it
    const answer: any = await response.json();
    return { status: response.status, body: answer };
  }
  return { simulators, call, accessKey, secretKey };
}

const TEXT = '/v1/videos/text2video';
const IMAGE = '/v1/videos/image2video';
const EXTEND = '/v1/videos/video-extend';
const BODY = { model_name: 'kling-v2-6', prompt: 'a paper boat', duration: '5', aspect_ratio: '9:16' };

describe("Kling's API as documented, against the simulator", () => {
  it('makes a video that is known by its id, by the custom id, and in the list', async () => {
    const { simulators, call } = await started();
    const made = await call(TEXT, { ...BODY, external_task_id: 'mine' });
    expect(made).toMatchObject({
      status: 200,
      body: { code: 0, data: { task_status: 'submitted', task_info: { external_task_id: 'mine' } } },
    });
    const id = made.body.data.task_id;
    simulators.finishAll();
    const done = (await call(`${TEXT}/${id}`)).body.data;
    expect(done).toMatchObject({ task_status: 'succeed', task_result: { videos: [{ duration: '5' }] } });
    expect((await call(`${TEXT}/mine`)).body.data).toMatchObject({ task_id: id });
    expect((await call(`${TEXT}?pageNum=1&pageSize=10`)).body.data).toMatchObject([{ task_id: id }]);
    expect(await call(`${IMAGE}/${id}`)).toMatchObject({ status: 404, body: { code: 1203 } });
    const bytes = await (await fetch(done.task_result.videos[0].url)).arrayBuffer();
    expect(await probe(Buffer.from(bytes))).toMatchObject({ width: 720, height: 1280, seconds: 5 });
    expect(simulators.ledger.bills()).toBe(1);
  });

  it.each([
    ['a duration as a number', TEXT, { ...BODY, duration: 5 }, 1201],
    ['a duration that the model does not have', TEXT, { ...BODY, duration: '7' }, 1201],
    ['sound in the standard mode', TEXT, { ...BODY, sound: 'on' }, 1201],
    ['a model that does not exist', TEXT, { ...BODY, model_name: 'kling-v9' }, 1203],
    ['an image as a data URL', IMAGE, { ...BODY, image: 'data:image/png;base64,AAAA' }, 1201],
    ['a last frame in the standard mode', IMAGE, { ...BODY, image: 'AAAA', image_tail: 'AAAA' }, 1201],
    ['a prompt that is too long', TEXT, { ...BODY, prompt: 'x'.repeat(2501) }, 1201],
    ['a prompt that is not allowed', TEXT, { ...BODY, prompt: 'a boat [moderation-input]' }, 1301],
  ])('refuses %s', async (_what, path, body, code) => {
    const { simulators, call } = await started();
    expect((await call(path, body)).body).toMatchObject({ code });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it('extends a video by its id, for as much as 5 s, and the extended one again', async () => {
    const { simulators, call } = await started();
    const video = { ...BODY, model_name: 'kling-v1-6' };
    const { task_id: first } = (await call(TEXT, { ...video, external_task_id: 'mine' })).body.data;
    const bodies = [{ prompt: 'it sails on' }, {}];
    let source = `${TEXT}/${first}`;
    for (const [index, body] of bodies.entries()) {
      simulators.finishAll();
      const before = (await call(source)).body.data.task_result.videos[0];
      const made = await call(EXTEND, { ...body, video_id: before.id });
      expect(made).toMatchObject({ status: 200, body: { data: { task_status: 'submitted' } } });
      source = `${EXTEND}/${made.body.data.task_id}`;
      simulators.finishAll();
      const { task_info: info, task_result: result } = (await call(source)).body.data;
      expect(info.parent_video).toMatchObject({ id: before.id, duration: before.duration });
      expect(result.videos).toMatchObject([{ duration: String(10 + 5 * index) }]);
      const bytes = await (await fetch(result.videos[0].url)).arrayBuffer();
      // The whole video, in the shape of its source.
      expect(await probe(Buffer.from(bytes))).toMatchObject({
        width: 720,
        height: 1280,
        seconds: 10 + 5 * index,
      });
    }
    const charged = simulators.ledger.jobs().map(({ bills }) => bills.map(({ usd }) => usd?.toFixed(2)));
    expect(charged).toEqual([['0.28'], ['0.28'], ['0.28']]);
    expect(await call(`${EXTEND}/mine`)).toMatchObject({ status: 404, body: { code: 1203 } });
  });

  it.each([
    ['whose model has no extension', 'kling-v2-6', (id: string) => `video-${id}`, 400, 1201],
    ['that is named by its task', 'kling-v1-6', (id: string) => id, 404, 1203],
    ['that is not named', 'kling-v1-6', () => undefined, 400, 1201],
  ])('refuses to extend a video %s', async (_what, model, nameOf, status, code) => {
    const { simulators, call } = await started();
    const { task_id: id } = (await call(TEXT, { ...BODY, model_name: model, prompt: 'a boat [hold]' })).body
      .data;
    expect(await call(EXTEND, { video_id: `video-${id}` })).toMatchObject({ status: 404 });
    simulators.finishAll();
    const answer = await call(EXTEND, { prompt: 'on', video_id: nameOf(id) });
    expect(answer).toMatchObject({ status, body: { code } });
    expect(simulators.ledger.jobs()).toHaveLength(1);
  });

  it('refuses tokens that are missing, forged, too early, too late or not by HS256', async () => {
    const { call, accessKey, secretKey } = await started();
    const codes = [];
    for (const token of [
      '',
      tokenOf(accessKey, 'other'),
      tokenOf(accessKey, secretKey, { alg: 'none' }),
      tokenOf(accessKey, secretKey, { from: 60 }),
      tokenOf(accessKey, secretKey, { until: -1 }),
    ])
      codes.push((await call(TEXT, BODY, token)).body.code);
    expect(codes).toEqual([1001, 1002, 1002, 1003, 1004]);
  });

  it('refuses a task beyond the concurrency of the resource pack', async () => {
    const { call } = await started(true, { concurrency: 1 });
    await call(TEXT, { ...BODY, prompt: 'a boat [hold]' });
    expect(await call(TEXT, BODY)).toMatchObject({ status: 429, body: { code: 1303 } });
  });
});
