import { randomUUID } from 'node:crypto';
import { probe } from '@onetake/video';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../src/index.ts';

async function started(limits = false) {
  const simulators = await startSimulators({
    only: ['pixverse'],
    scale: 0.001,
    limits,
    settings: { pixverse: { concurrency: 1 } },
  });
  onTestFinished(() => simulators.close());
  const { PIXVERSE_API_KEY = '' } = simulators.environment;
  async function call(path: string, body?: FormData | object, given: Record<string, string> = {}) {
    const isForm = body instanceof FormData;
    const response = await fetch(`${simulators.urls.pixverse}/openapi/v2${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...{ 'api-key': PIXVERSE_API_KEY, 'ai-trace-id': randomUUID() },
        ...(isForm || body === undefined ? {} : { 'content-type': 'application/json' }),
        ...given,
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read any member of answers, and then assert it
    const answer: any = await response.json();
    return { status: response.status, body: answer };
  }
  async function uploaded(type = 'image/png') {
    const form = new FormData();
    form.append('image', new File(['image'], 'boat.png', { type }));
    return (await call('/image/upload', form)).body;
  }
  return { simulators, call, uploaded };
}

const TEXT = '/video/text/generate';
const IMAGE = '/video/img/generate';
const FROM_IMAGE = { model: 'v6', prompt: 'a paper boat', duration: 2, quality: '720p' };
const BODY = { ...FROM_IMAGE, aspect_ratio: '9:16' };

describe("PixVerse's Platform API as documented, against the simulator", () => {
  it('makes a video, and bills its credits', async () => {
    const { simulators, call } = await started();
    const made = await call(TEXT, { ...BODY, generate_audio_switch: true, prompt: 'a boat [hold]' });
    expect(made).toMatchObject({
      status: 200,
      body: { ErrCode: 0, Resp: { video_id: expect.any(Number), credits: 24 } },
    });
    const path = `/video/result/${made.body.Resp.video_id}`;
    expect((await call(path)).body.Resp).toMatchObject({ id: made.body.Resp.video_id, status: 5, url: '' });
    simulators.finishAll();
    const { Resp: done } = (await call(path)).body;
    expect(done).toMatchObject({ status: 1 });
    const bytes = await (await fetch(done.url)).arrayBuffer();
    expect(await probe(Buffer.from(bytes))).toMatchObject({ width: 720, height: 1280, seconds: 2 });
    expect(simulators.ledger.jobs()[0]?.bills[0]).toMatchObject({ quantity: 24, unit: 'credits' });
  });

  it('animates an image that was uploaded before', async () => {
    const { call, uploaded } = await started();
    const { Resp: image } = await uploaded();
    expect((await call(IMAGE, { ...FROM_IMAGE, img_id: image.img_id })).body).toMatchObject({ ErrCode: 0 });
    expect((await call(IMAGE, { ...FROM_IMAGE, img_id: 77 })).body).toMatchObject({ ErrCode: 400017 });
    expect(await uploaded('text/plain')).toMatchObject({ ErrCode: 400017 });
  });

  it('answers a request with the trace id of an earlier one as it answered that one', async () => {
    const { simulators, call } = await started();
    const [first, second, poll] = [randomUUID(), randomUUID(), randomUUID()];
    const ids = [];
    for (const trace of [first, first, second])
      ids.push((await call(TEXT, BODY, { 'ai-trace-id': trace })).body.Resp.video_id);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    const path = `/video/result/${(await call(TEXT, { ...BODY, prompt: 'a boat [hold]' })).body.Resp.video_id}`;
    const before = await call(path, undefined, { 'ai-trace-id': poll });
    simulators.finishAll();
    expect(await call(path, undefined, { 'ai-trace-id': poll })).toEqual(before);
    expect((await call(path)).body.Resp.status).toBe(1);
  });

  it.each([
    ['no prompt', { ...BODY, prompt: '' }, 400011],
    ['a model that does not exist', { ...BODY, model: 'v9' }, 400017],
    ['a duration that is too long', { ...BODY, duration: 16 }, 400017],
    ['another quality', { ...BODY, quality: '2k' }, 400017],
    ['a ratio that does not exist', { ...BODY, aspect_ratio: '5:4' }, 400017],
    ['a seed that is too high', { ...BODY, seed: 2 ** 31 }, 400017],
    ['a prompt that is not allowed', { ...BODY, prompt: 'a boat [moderation-input]' }, 500063],
  ])('refuses %s with 200 and a code', async (_what, body, code) => {
    const { simulators, call } = await started();
    expect(await call(TEXT, body)).toMatchObject({ status: 200, body: { ErrCode: code, Resp: null } });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it.each([
    ['[moderation]', 7],
    ['[fail]', 8],
  ])('ends a job with %s in status %i', async (marker, status) => {
    const { simulators, call } = await started();
    const { Resp: made } = (await call(TEXT, { ...BODY, prompt: `a boat ${marker}` })).body;
    simulators.finishAll();
    expect((await call(`/video/result/${made.video_id}`)).body.Resp).toMatchObject({ status });
  });

  it('refuses a second job at a time, a wrong key, no trace id, and an account without credits', async () => {
    const { simulators, call } = await started(true);
    await call(TEXT, { ...BODY, prompt: 'a boat [hold]' });
    expect((await call(TEXT, BODY)).body).toMatchObject({ ErrCode: 500044 });
    expect((await call(TEXT, BODY, { 'api-key': 'wrong' })).body).toMatchObject({ ErrCode: 400012 });
    expect((await call(TEXT, BODY, { 'ai-trace-id': 'x' })).body).toMatchObject({ ErrCode: 400017 });
    expect((await call('/video/result/1')).body).toMatchObject({ ErrCode: 400001 });
    simulators.upstream('pixverse').accounts.set('default', 'quota_exhausted');
    expect((await call(TEXT, BODY)).body).toMatchObject({ ErrMsg: 'Insufficient balance' });
  });
});
