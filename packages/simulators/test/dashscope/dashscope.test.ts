import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';

const SUBMIT = '/api/v1/services/aigc/video-generation/video-synthesis';
const SUBMIT_FRAMES = '/api/v1/services/aigc/image2video/video-synthesis';
const DAY_MS = 24 * 3_600_000;
const SCALE = 0.001;

let simulators: Simulators;

beforeEach(async () => {
  simulators = await startSimulators({ only: ['dashscope'], scale: SCALE });
});

afterEach(() => simulators.close());

const upstream = () => simulators.upstream('dashscope');

// biome-ignore lint/suspicious/noExplicitAny: tests read any member of an answer and assert what they find
type Json = any;

async function call(
  path: string,
  { key = upstream().key, body, headers = {} }: { key?: string; body?: unknown; headers?: object } = {},
): Promise<{ status: number; body: Json }> {
  const response = await fetch(`${upstream().url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

const ASYNC = { 'X-DashScope-Async': 'enable' };

interface Asked {
  model?: string;
  input?: object;
  parameters?: object;
}

const submit = (prompt: string, { model = 'wan2.7-t2v', input, parameters }: Asked = {}, key?: string) =>
  call(SUBMIT, {
    headers: ASYNC,
    body: { model, input: { prompt, ...input }, parameters: parameters ?? {} },
    ...(key ? { key } : {}),
  });

async function submitted(prompt: string, asked: Asked = {}): Promise<string> {
  const { status, body } = await submit(prompt, asked);
  expect({ status, body }).toMatchObject({ status: 200, body: { output: { task_status: 'PENDING' } } });
  return body.output.task_id;
}

const task = async (id: string, key?: string) => (await call(`/api/v1/tasks/${id}`, key ? { key } : {})).body;

async function finished(prompt: string, asked: Asked = {}): Promise<Json> {
  const id = await submitted(prompt, asked);
  simulators.finishAll();
  return task(id);
}

const KLING = 'kling/kling-v3-video-generation';
const SOURCE = { type: 'video', url: 'https://example.com/a.mp4' };
const KLING_OMNI = 'kling/kling-v3-omni-video-generation';
const VIDU_IMAGE = { type: 'image', url: 'https://example.com/a.png' };
const CLIP = { type: 'first_clip', url: 'https://example.com/a.mp4' };
const VIDEO = { type: 'reference_video', url: 'https://example.com/a.mp4' };
const REFERENCE = { type: 'reference_image', url: 'https://example.com/a.png' };
const PICTURE = 'data:image/png;base64,iVBORw0KGgo=';

describe('a submission', () => {
  it('needs the asynchronous header', async () => {
    const body = { model: 'wan2.7-t2v', input: { prompt: 'a' } };
    expect(await call(SUBMIT, { body })).toMatchObject({
      status: 403,
      body: { code: 'AccessDenied', message: expect.stringContaining('does not support synchronous calls') },
    });
  });

  it('of an unknown model, or on the path of another, creates no task', async () => {
    const frames = { first_frame_url: PICTURE, last_frame_url: PICTURE };
    expect(await submit('a', { model: 'wan9' })).toMatchObject({
      status: 400,
      body: { code: 'InvalidParameter', message: 'Model not exist.' },
    });
    expect((await submit('a', { model: 'wan2.2-kf2v-flash', input: frames })).body.message).toContain(
      'url error',
    );
    const body = { model: 'wan2.2-kf2v-flash', input: { ...frames, prompt: 'a' } };
    expect(await call(SUBMIT_FRAMES, { headers: ASYNC, body })).toMatchObject({ status: 200 });
    expect(simulators.ledger.jobs()).toHaveLength(1);
  });

  it('uses the model name of its region', async () => {
    expect((await submit('a', { model: 'wanx2.1-t2v-plus' })).status).toBe(200);
    upstream().configure({ region: 'ap-southeast-1' });
    expect((await submit('a', { model: 'wanx2.1-t2v-plus' })).status).toBe(400);
    expect((await submit('a', { model: 'wan2.1-t2v-plus' })).status).toBe(200);
  });

  it('uses a model of Vidu only in the regions that have it', async () => {
    const input = { media: [VIDU_IMAGE] };
    upstream().configure({ region: 'ap-southeast-1' });
    expect((await submit('a', { model: 'vidu/viduq3-pro_text2video' })).status).toBe(400);
    expect((await submit('a', { model: 'vidu/viduq3-ad_reference2video', input })).status).toBe(200);
    upstream().configure({ region: 'us-east-1' });
    expect((await submit('a', { model: 'vidu/viduq3-ad_reference2video', input })).status).toBe(400);
  });

  it.each<[string, string, Asked]>([
    ['a size that the model lacks', 'size', { model: 'wan2.2-t2v-plus', parameters: { size: '1280*720' } }],
    [
      'a size of 480P that is not listed',
      'size',
      { model: 'wan2.2-t2v-plus', parameters: { size: '640*480' } },
    ],
    ['cinema for Wan 2.7', 'ratio 21:9', { parameters: { ratio: '21:9' } }],
    ['an unknown shot type', 'shot_type', { model: 'wan2.6-t2v', parameters: { shot_type: 'triple' } }],
    [
      'a temporary address without the header that resolves it',
      'X-DashScope-OssResourceResolve',
      { model: 'wan2.6-i2v', input: { img_url: 'oss://bucket/1.png' } },
    ],
    ['a ratio for Wan 2.6', 'parameters.ratio', { model: 'wan2.6-t2v', parameters: { ratio: '16:9' } }],
    ['a size for Wan 2.7', 'parameters.size', { parameters: { size: '1280*720' } }],
    ['a tier in lower case', 'resolution 720p', { parameters: { resolution: '720p' } }],
    ['480P for Wan 2.7', 'resolution 480P', { parameters: { resolution: '480P' } }],
    ['seconds beyond the model', 'duration 31', { model: 'wan3.0-video', parameters: { duration: 31 } }],
    [
      'a ratio for an image',
      'parameters.ratio',
      {
        model: 'wan2.7-i2v',
        input: { media: [{ type: 'first_frame', url: PICTURE }] },
        parameters: { ratio: '1:1' },
      },
    ],
    ['no image', 'input.img_url', { model: 'wan2.6-i2v' }],
    ['base64 without its type', 'input.img_url', { model: 'wan2.6-i2v', input: { img_url: 'iVBORw0KGgo=' } }],
    [
      'base64 as a reference of Wan 2.6',
      'reference_urls',
      {
        model: 'wan2.6-r2v',
        input: { reference_urls: [PICTURE] },
      },
    ],
    [
      'frames among references',
      'cannot be used together',
      {
        model: 'wan3.0-video',
        input: {
          media: [
            { type: 'first_frame', url: PICTURE },
            { type: 'reference_image', url: PICTURE },
          ],
        },
      },
    ],
    ['no prompt', 'input.prompt', { input: { prompt: undefined } }],
    [
      'sound on request for a model that always has it',
      'audio',
      { model: 'wan2.6-t2v', parameters: { audio: true } },
    ],
    [
      'rewriting of a prompt with references',
      'prompt_extend',
      {
        model: 'wan2.6-r2v-flash',
        input: { reference_urls: ['https://example.com/a.png'] },
        parameters: { prompt_extend: true },
      },
    ],
    [
      'no source for an edit',
      'input.media video',
      { model: 'wan2.7-videoedit', input: { media: [REFERENCE] } },
    ],
    [
      'five references of an edit',
      'reference_image, at most 4',
      { model: 'wan2.7-videoedit', input: { media: [SOURCE, ...Array(5).fill(REFERENCE)] } },
    ],
    [
      'bytes of a source',
      'url',
      { model: 'wan2.7-videoedit', input: { media: [{ ...SOURCE, url: PICTURE }] } },
    ],
    [
      'a ratio for the first frame of HappyHorse',
      'parameters.ratio',
      {
        model: 'happyhorse-1.1-i2v',
        input: { media: [{ type: 'first_frame', url: PICTURE }] },
        parameters: { ratio: '16:9' },
      },
    ],
    [
      'a negative prompt for HappyHorse',
      'input.negative_prompt',
      { model: 'happyhorse-1.0-t2v', input: { negative_prompt: 'rain' } },
    ],
    [
      'ten references of HappyHorse',
      'reference_image, at most 9',
      { model: 'happyhorse-1.1-r2v', input: { media: Array(10).fill(REFERENCE) } },
    ],
    [
      'seconds for an edit of HappyHorse',
      'parameters.duration',
      { model: 'happyhorse-1.0-video-edit', input: { media: [SOURCE] }, parameters: { duration: 5 } },
    ],
    [
      'a clip beside a first frame',
      'first_frame and first_clip',
      { model: 'wan2.7-i2v', input: { media: [{ type: 'first_frame', url: PICTURE }, CLIP] } },
    ],
    [
      'sound beside a clip',
      'driving_audio and first_clip',
      {
        model: 'wan2.7-i2v',
        input: { media: [CLIP, { type: 'driving_audio', url: 'https://example.com/a.mp3' }] },
      },
    ],
    [
      'six references in all',
      'at most 5',
      { model: 'wan2.7-r2v', input: { media: [...Array(3).fill(REFERENCE), ...Array(3).fill(VIDEO)] } },
    ],
    [
      'eleven seconds with a reference video',
      'with a reference video',
      { model: 'wan2.7-r2v', input: { media: [VIDEO] }, parameters: { duration: 11 } },
    ],
    [
      'four videos in a list',
      'at most 3 videos',
      { model: 'wan2.6-r2v', input: { reference_urls: Array(4).fill(VIDEO.url) } },
    ],
    [
      'a file and a link',
      'file and link',
      {
        model: 'wan3.0-video',
        input: { media: ['file', 'link'].map((type) => ({ type, url: 'https://example.com/a.pdf' })) },
      },
    ],
    [
      'two kinds of videos for Kling',
      'feature and base',
      { model: KLING_OMNI, input: { media: ['feature', 'base'].map((type) => ({ type, url: VIDEO.url })) } },
    ],
    ['no ratio for Kling', 'parameters.aspect_ratio', { model: KLING, parameters: { mode: 'std' } }],
    ['a tier for Kling', 'parameters.resolution', { model: KLING, parameters: { resolution: '720P' } }],
    [
      'bytes of a frame for Kling',
      'url',
      { model: KLING, input: { media: [{ type: 'first_frame', url: PICTURE }] } },
    ],
    [
      'bytes of a frame for Vidu',
      'url',
      { model: 'vidu/viduq3-pro_img2video', input: { media: [{ type: 'image', url: PICTURE }] } },
    ],
    [
      'one frame for Vidu where it wants two',
      'exactly 2',
      { model: 'vidu/viduq3-pro_start-end2video', input: { media: [VIDU_IMAGE] } },
    ],
    [
      'five images beside a video for Vidu',
      'at most 4 with a video',
      {
        model: 'vidu/viduq2-pro_reference2video',
        input: { media: [SOURCE, ...Array(5).fill(VIDU_IMAGE)] },
      },
    ],
    [
      'a video for Vidu where it takes images alone',
      'media type: video',
      { model: 'vidu/viduq2_reference2video', input: { media: [VIDU_IMAGE, SOURCE] } },
    ],
    [
      'eight images for Vidu',
      'at most 7',
      { model: 'vidu/viduq3_reference2video', input: { media: Array(8).fill(VIDU_IMAGE) } },
    ],
    [
      'sound for Vidu Q2',
      'parameters.audio',
      { model: 'vidu/viduq2_text2video', parameters: { audio: true } },
    ],
    [
      'a size for Vidu that is not one of the tier',
      'size is not match 1280*720',
      {
        model: 'vidu/viduq3-pro_text2video',
        parameters: { resolution: '1080P', size: '1280*720' },
      },
    ],
    [
      'a size for Vidu with a first frame',
      'parameters.size',
      {
        model: 'vidu/viduq3-pro_img2video',
        input: { media: [VIDU_IMAGE] },
        parameters: { size: '1280*720' },
      },
    ],
    [
      'a square for Vidu Q3 Drama',
      'size is not match 1280*1280',
      {
        model: 'vidu/viduq3-drama_reference2video',
        input: { media: [VIDU_IMAGE] },
        parameters: { resolution: '720P', size: '1280*1280' },
      },
    ],
    [
      'eleven seconds for Vidu Q2',
      'duration 11',
      { model: 'vidu/viduq2_text2video', parameters: { duration: 11 } },
    ],
    [
      'no duration for a model of Vidu that plans none',
      'duration 0',
      { model: 'vidu/viduq2_text2video', parameters: { duration: 0 } },
    ],
    [
      'a negative prompt for Wan 3.0',
      'input.negative_prompt',
      { model: 'wan3.0-video', input: { negative_prompt: 'rain' } },
    ],
  ])('with %s is accepted and fails, or is refused if so configured', async (_what, words, asked) => {
    const { output, usage } = await finished('a', asked);
    expect(output).toMatchObject({
      task_status: 'FAILED',
      code: 'InvalidParameter',
      message: expect.stringContaining(words),
    });
    expect(usage).toBeUndefined();
    expect(simulators.ledger.bills()).toBe(0);
    upstream().configure({ checksAtSubmit: true });
    expect(await submit('a', asked)).toMatchObject({ status: 400, body: { code: 'InvalidParameter' } });
  });

  it('is refused by the state of the account', async () => {
    const { accounts } = upstream();
    accounts.set('default', 'overdue');
    expect(await submit('a')).toMatchObject({ status: 400, body: { code: 'Arrearage' } });
    for (const code of ['PrepaidBillOverdue', 'PostpaidBillOverdue', 'CommodityNotPurchased']) {
      upstream().configure({ billingError: code });
      expect(await submit('a')).toMatchObject({ status: 429, body: { code } });
    }
    accounts.set('default', 'quota_exhausted');
    expect(await submit('a')).toMatchObject({ status: 403, body: { code: 'AllocationQuota.FreeTierOnly' } });
  });

  it('is accepted with what the Python SDK adds for every model, and with thinking where a model thinks', async () => {
    const input = { extend_prompt: true, function: 'generation' };
    const asked = { model: 'wan3.0-video', input, parameters: { enable_thinking: true } };
    expect((await finished('a', asked)).output).toMatchObject({ task_status: 'SUCCEEDED' });
    const other = await finished('a', { ...asked, model: 'wan2.7-t2v' });
    expect(other.output.message).toContain('parameters.enable_thinking');
  });

  it('may be refused inside a 200', async () => {
    upstream().configure({ errorsInOk: true });
    upstream().accounts.set('default', 'revoked');
    expect(await submit('a')).toMatchObject({ status: 200, body: { code: 'InvalidApiKey' } });
  });
});

describe('a task', () => {
  it.each<[string, Asked, object]>([
    [
      'wan2.5-t2v-preview',
      { parameters: { size: '832*480', duration: 10 } },
      { video_duration: 10, video_ratio: '832*480', video_count: 1 },
    ],
    [
      'wan2.6-t2v',
      { parameters: { size: '1280*720' } },
      { duration: 5, output_video_duration: 5, size: '1280*720', SR: 720 },
    ],
    [
      'wan2.7-t2v',
      { parameters: { resolution: '720P', ratio: '9:16', duration: 2 } },
      { duration: 2, output_video_duration: 2, ratio: '9:16', SR: 720 },
    ],
    ['wan3.0-video', {}, { duration: 5, SR: 1080, ratio: '16:9' }],
    ['wan3.0-video', { parameters: { ratio: '21:9' } }, { duration: 5, SR: 1080, ratio: '21:9' }],
    [
      'wan2.7-videoedit',
      { input: { media: [SOURCE] }, parameters: { resolution: '720P', duration: 3 } },
      { duration: 6, input_video_duration: 3, output_video_duration: 3, SR: 720 },
    ],
    [
      'wan2.7-r2v',
      { input: { media: [VIDEO, REFERENCE] }, parameters: { resolution: '720P', duration: 3 } },
      { duration: 8, input_video_duration: 5, output_video_duration: 3 },
    ],
    [
      'wan2.6-r2v',
      { input: { reference_urls: [VIDEO.url, VIDEO.url] }, parameters: { size: '1280*720', duration: 3 } },
      { duration: 8, input_video_duration: 5, output_video_duration: 3 },
    ],
    [
      'happyhorse-1.0-video-edit',
      { input: { media: [SOURCE] }, parameters: { resolution: '720P' } },
      { duration: 10, input_video_duration: 5, output_video_duration: 5 },
    ],
    [
      'happyhorse-1.1-t2v',
      { parameters: { resolution: '720P', ratio: '9:16', duration: 3 } },
      { duration: 3, input_video_duration: 0, output_video_duration: 3, SR: 720, ratio: '9:16' },
    ],
    [
      KLING,
      { parameters: { mode: 'std', aspect_ratio: '16:9' } },
      { duration: 5, size: '1280*720', audio: false, SR: '720' },
    ],
    [
      'vidu/viduq3-turbo_text2video',
      { parameters: { resolution: '540P', size: '576*1024', audio: true } },
      { duration: 5, output_video_duration: 5, size: '576*1024', fps: 24, audio: true, SR: '540' },
    ],
    [
      'vidu/viduq3-pro_start-end2video',
      { input: { media: [VIDU_IMAGE, VIDU_IMAGE] }, parameters: { duration: 16 } },
      { duration: 16, output_video_duration: 16, size: '1280*720', audio: false, SR: '720' },
    ],
    [
      'vidu/viduq3-drama_reference2video',
      { input: { media: [VIDU_IMAGE] } },
      { duration: 5, size: '1920*1080', audio: true, SR: '1080' },
    ],
    [
      'vidu/viduq3-mix_reference2video',
      { input: { media: [VIDU_IMAGE] }, parameters: { size: '1080*1920' } },
      { duration: 5, size: '1280*720', audio: false, SR: '720' },
    ],
    [
      'vidu/viduq2-pro_reference2video',
      { input: { media: [SOURCE, VIDU_IMAGE] }, parameters: { duration: 0 } },
      { duration: 5, output_video_duration: 5, SR: '720' },
    ],
  ])('of %s reports its usage in the form of its generation', async (model, asked, usage) => {
    const body = await finished('a boat', { model, ...asked });
    expect(body).toMatchObject({
      output: {
        task_status: 'SUCCEEDED',
        orig_prompt: 'a boat',
        video_url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/.*\.mp4\?Expires=\d+&OSSAccessKeyId=/),
      },
      usage,
    });
    expect(body.output.actual_prompt !== undefined).toBe(model === 'wan2.5-t2v-preview');
  });

  it('reports its times in Beijing time', async () => {
    const before = Date.now();
    const { output } = await finished('a boat');
    expect(output.submit_time).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/);
    expect(Date.parse(`${output.submit_time.replace(' ', 'T')}+08:00`)).toBeGreaterThanOrEqual(before);
  });

  it('is visible to every key of its account and to no other account', async () => {
    const id = await submitted('a boat [hold]');
    const second = upstream().accounts.set('default/second').key;
    const stranger = upstream().accounts.set('stranger').key;
    expect((await task(id, second)).output.task_status).toMatch(/PENDING|RUNNING/);
    expect((await task(id, stranger)).output).toEqual({ task_id: id, task_status: 'UNKNOWN' });
    const foreign = upstream().accounts.set('default@ap-southeast-1').key;
    expect(await call(`/api/v1/tasks/${id}`, { key: foreign })).toMatchObject({
      status: 401,
      body: { code: 'InvalidApiKey' },
    });
  });

  it('is unknown after a day, and so is the link to its video', async () => {
    const { output } = await finished('a boat');
    expect((await fetch(output.video_url, { headers: { authorization: 'Bearer x' } })).status).toBe(400);
    expect((await fetch(output.video_url, { method: 'HEAD' })).status).toBe(200);
    simulators.advance(DAY_MS + 10_000 / SCALE);
    const expired = await fetch(output.video_url);
    expect(expired.status).toBe(403);
    expect(await expired.text()).toContain('Request has expired.');
    expect((await task(output.task_id)).output).toEqual({ task_id: output.task_id, task_status: 'UNKNOWN' });
  });

  it('can be cancelled only while it waits', async () => {
    const waiting = await submitted('a [queued]');
    const cancel = (id: string) => call(`/api/v1/tasks/${id}/cancel`, { body: {} });
    expect(await cancel(waiting)).toMatchObject({ status: 200, body: { request_id: expect.any(String) } });
    expect((await task(waiting)).output.task_status).toBe('CANCELED');
    const running = await submitted('a [hold] [instant]');
    expect((await task(running)).output.task_status).toBe('SUCCEEDED');
    for (const id of [waiting, running, 'nobody']) {
      expect(await cancel(id)).toMatchObject({ status: 400, body: { code: 'UnsupportedOperation' } });
    }
  });

  it('waits if the account already runs as many as allowed', async () => {
    upstream().configure({ concurrency: 1 });
    const ids = [await submitted('a [hold]'), await submitted('b [hold]')];
    simulators.advance(60_000);
    const states = await Promise.all(ids.map(async (id) => (await task(id)).output.task_status));
    expect(states).toEqual(['RUNNING', 'PENDING']);
  });
});

describe('the list of tasks', () => {
  const list = async (query: Record<string, string | number> = {}) => {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) search.set(name, String(value));
    return call(`/api/v1/tasks/?${search}`);
  };

  it('has statuses in pages, latest first, without results or prompts', async () => {
    const ids = [];
    for (const n of [1, 2, 3]) ids.push(await submitted(`secret words ${n} [hold]`));
    const { body } = await list({ page_size: 2 });
    expect(body).toMatchObject({ total: 3, total_page: 2, page_no: 1, page_size: 2 });
    expect(body.data.map((item: Json) => item.task_id)).toEqual([ids[2], ids[1]]);
    expect(body.data[0]).toMatchObject({
      model_name: 'wan2.7-t2v',
      region: 'cn-beijing',
      gmt_create: expect.any(Number),
      user_api_unique_key: 'apikey:v1:aigc:video-generation:video-synthesis:wan2.7-t2v',
    });
    expect(JSON.stringify(body)).not.toContain('secret words');
    expect((await list({ page_no: 2, page_size: 2 })).body.data).toHaveLength(1);
    expect((await list({ status: 'SUCCEEDED' })).body.total).toBe(0);
    expect((await list({ model_name: 'wan2.6-t2v' })).body.total).toBe(0);
    expect((await list({ task_id: ids[0] ?? '' })).body.total).toBe(1);
  });

  it('covers at most a day, in Beijing time', async () => {
    await submitted('a [hold]');
    const beijing = (ms: number) =>
      new Date(ms + 8 * 3_600_000).toISOString().replace(/\D/g, '').slice(0, 14);
    const now = Date.now();
    expect((await list({ start_time: beijing(now - 60_000) })).body.total).toBe(1);
    expect((await list({ end_time: beijing(now - 60_000) })).body.total).toBe(0);
    expect(await list({ start_time: beijing(now - DAY_MS - 60_000), end_time: beijing(now) })).toMatchObject({
      status: 400,
      body: { code: 'InvalidParameter' },
    });
    expect((await list({ start_time: '2026-01-01' })).status).toBe(400);
  });
});

describe('limits', () => {
  it('limit the polls of an account a second, whatever the key and the kind of poll', async () => {
    expect(upstream().settings().queriesPerSecond).toBe(20);
    await simulators.close();
    // Few, so that the limit does not renew meanwhile on a slow machine.
    const settings = { dashscope: { queriesPerSecond: 2 } };
    simulators = await startSimulators({ only: ['dashscope'], settings });
    const second = upstream().accounts.set('default/second').key;
    const asked = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        call(n % 3 === 0 ? '/api/v1/tasks/' : '/api/v1/tasks/x', n % 2 === 0 ? { key: second } : {}),
      ),
    );
    const refused = asked.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(5);
    expect(asked.length - refused.length).toBeGreaterThanOrEqual(2);
    expect(refused[0]?.body.code).toBe('Throttling.RateQuota');
    const other = upstream().accounts.set('other').key;
    expect((await call('/api/v1/tasks/x', { key: other })).status).toBe(200);
  });
});
