import { probe } from '@onetake/video';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Simulators, startSimulators } from '../src/index.ts';

interface Call {
  readonly path: string;
  readonly method?: string;
  readonly body?: unknown;
  readonly key?: string;
}

/** A service with its own protocol, called as documented, without an SDK. */
async function serviceOf(name: string, scheme = 'Bearer') {
  const simulators: Simulators = await startSimulators({ only: [name], scale: 0.001, limits: false });
  onTestFinished(() => simulators.close());
  async function call({ path, body, key = simulators.keys[name], method }: Call) {
    const response = await fetch(`${simulators.urls[name]}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        authorization: `${scheme} ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }
  const fetched = async (url: string) => probe(Buffer.from(await (await fetch(url)).arrayBuffer()));
  return { simulators, call, fetched };
}

describe('xAI', () => {
  const path = '/v1/videos/generations';
  const body = {
    model: 'grok-imagine-video',
    prompt: 'a boat [hold]',
    duration: 1,
    aspect_ratio: '9:16',
    resolution: '480p',
  };

  it('answers a submission with a request id, then 202 while it works, and then a link to a video of the requested size', async () => {
    const { simulators, call, fetched } = await serviceOf('xai');
    const { status, body: made } = await call({ path, body });
    expect({ status, made }).toEqual({
      status: 200,
      made: { request_id: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
    const poll = { path: `/v1/videos/${made.request_id}` };
    expect(await call(poll)).toMatchObject({
      status: 202,
      body: { status: 'pending', progress: expect.any(Number) },
    });
    simulators.finishAll();
    const done = await call(poll);
    expect(done).toMatchObject({
      status: 200,
      body: {
        status: 'done',
        video: { duration: 1, respect_moderation: true },
        usage: { cost_in_usd_ticks: 5e8 },
      },
    });
    expect(await fetched(done.body.video.url)).toMatchObject({ width: 480, height: 854, seconds: 1 });
    const link = new URL(done.body.video.url);
    expect(Object.fromEntries(link.searchParams)).toMatchObject({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Date': expect.stringMatching(/^\d{8}T\d{6}Z$/),
      'X-Amz-Expires': expect.stringMatching(/^\d+$/),
    });
    link.searchParams.set('X-Amz-Expires', '604800');
    expect((await fetch(link)).status).toBe(403);
  });

  it.each([
    ['a length that is too long', { ...body, duration: 16 }],
    ['a resolution that the model does not have', { ...body, resolution: '1080p' }],
    [
      'a last frame that the model does not take',
      { ...body, last_frame: { url: 'data:image/png;base64,AA==' } },
    ],
    [
      'references beside an image',
      { ...body, image: { url: 'https://a/b' }, reference_images: [{ url: 'https://a/b' }] },
    ],
    ['no prompt', { ...body, prompt: '' }],
  ])('refuses %s', async (_what, wrong) => {
    const { call } = await serviceOf('xai');
    expect(await call({ path, body: wrong })).toMatchObject({
      status: 400,
      body: { code: 'Client specified an invalid argument', error: expect.any(String) },
    });
  });

  it('answers a wrong key with an invalid argument', async () => {
    const { call } = await serviceOf('xai');
    expect(await call({ path, body, key: 'wrong' })).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('Incorrect API key') },
    });
  });
});

describe('MiniMax', () => {
  const path = '/v2/video_generation';
  const content = [{ type: 'text', text: 'a boat [hold]' }];
  const body = { model: 'MiniMax-H3-Max', content, resolution: '480P', duration: 5, ratio: '1:1' };

  it('answers a submission with a task id, and a task with its link and usage', async () => {
    const { simulators, call, fetched } = await serviceOf('minimax');
    const { body: made } = await call({ path, body });
    expect(made).toEqual({ task_id: expect.stringMatching(/^\d{15}$/) });
    const poll = { path: `/v2/query/video_generation/${made.task_id}` };
    expect((await call(poll)).body.task).toMatchObject({
      id: made.task_id,
      status: expect.stringMatching(/queued|running/),
    });
    simulators.finishAll();
    const { task } = (await call(poll)).body;
    expect(task).toMatchObject({
      status: 'succeeded',
      resolution: '480P',
      ratio: '1:1',
      usage: { output_seconds: 5 },
    });
    expect(await fetched(task.content.url)).toMatchObject({ width: 480, height: 480, seconds: 5 });
  });

  it.each([
    ['a text without a ratio', { ...body, ratio: undefined }, 400, '(2013)'],
    ['a tier of another model', { ...body, resolution: '2K' }, 400, '(2013)'],
    ['two texts', { ...body, content: [...content, ...content] }, 400, '(2013)'],
    [
      'frames and references together',
      {
        ...body,
        content: [
          ...content,
          { type: 'image_url', image_url: { url: 'https://a/b' }, role: 'first_frame' },
          { type: 'image_url', image_url: { url: 'https://a/b' }, role: 'reference_image' },
        ],
      },
      400,
      '(2013)',
    ],
    [
      'a sensitive prompt',
      { ...body, content: [{ type: 'text', text: '[moderation-input]' }] },
      422,
      '(1026)',
    ],
  ])('refuses %s', async (_what, wrong, status, code) => {
    const { call } = await serviceOf('minimax');
    expect(await call({ path, body: wrong })).toMatchObject({
      status,
      body: { type: 'error', error: { message: expect.stringContaining(code), http_code: String(status) } },
    });
  });
});

describe('Replicate', () => {
  const path = '/v1/models/bytedance/seedance-1-pro/predictions';
  const body = { input: { prompt: 'a boat [hold]', duration: 2, resolution: '480p', aspect_ratio: '16:9' } };

  it('answers a new prediction with 201, and forgets it an hour after its end', async () => {
    const { simulators, call, fetched } = await serviceOf('replicate');
    const { status, body: made } = await call({ path, body });
    expect({ status, made }).toMatchObject({
      status: 201,
      made: { status: 'starting', output: null, input: body.input },
    });
    const poll = { path: new URL(made.urls.get).pathname };
    simulators.finishAll();
    const done = (await call(poll)).body;
    expect(done).toMatchObject({ status: 'succeeded', output: expect.any(String), data_removed: false });
    expect(await fetched(done.output)).toMatchObject({ width: 854, height: 480, seconds: 2 });
    simulators.advance(2 * 3_600_000);
    expect((await call(poll)).body).toMatchObject({ status: 'succeeded', output: null, data_removed: true });
  });

  it('cancels a prediction, and runs a model by its version', async () => {
    const { call } = await serviceOf('replicate');
    const version = 'a'.repeat(64);
    const made = (await call({ path: '/v1/predictions', body: { version, ...body } })).body;
    expect(made).toMatchObject({ version });
    expect((await call({ path: `/v1/predictions/${made.id}/cancel`, body: {} })).body.status).toBe(
      'canceled',
    );
  });

  it('lists the predictions of an account, latest first, a hundred on a page', async () => {
    const { simulators, call } = await serviceOf('replicate');
    const ids: string[] = [];
    for (let number = 0; number < 101; number++) ids.unshift((await call({ path, body })).body.id);
    const other = simulators.upstream('replicate').accounts.set('other').key;
    const first = (await call({ path: '/v1/predictions' })).body;
    const idsOf = (page: { results: readonly { id: string }[] }) => page.results.map(({ id }) => id);
    expect(idsOf(first)).toEqual(ids.slice(0, 100));
    expect(first.previous).toBeNull();
    const { pathname, search } = new URL(first.next);
    const second = (await call({ path: `${pathname}${search}` })).body;
    expect(idsOf(second)).toEqual(ids.slice(100));
    expect({ next: second.next, previous: typeof second.previous }).toEqual({
      next: null,
      previous: 'string',
    });
    expect((await call({ path: '/v1/predictions', key: other })).body.results).toEqual([]);
  });

  it.each([
    ['an unknown model', '/v1/models/a/b/predictions', body, 404],
    ['no input', path, {}, 422],
    ['an image that is no address', path, { input: { ...body.input, image: 'cat' } }, 422],
  ])('refuses %s', async (_what, where, wrong, status) => {
    const { call } = await serviceOf('replicate');
    expect(await call({ path: where, body: wrong })).toMatchObject({
      status,
      body: { status, title: expect.any(String), detail: expect.any(String) },
    });
  });
});

describe('fal', () => {
  const path = '/fal-ai/veo3.1/fast';
  const body = { prompt: 'a boat [hold]', duration: '4s' };
  const pathOf = (url: string) => new URL(url).pathname;

  it('queues a request, reports that it is in progress, and has the result at the URL of the app', async () => {
    const { simulators, call, fetched } = await serviceOf('fal', 'Key');
    const { body: made } = await call({ path, body });
    expect(made).toMatchObject({ status: 'IN_QUEUE', request_id: expect.any(String), queue_position: 0 });
    expect(made.response_url).toBe(`${simulators.urls.fal}/fal-ai/veo3.1/requests/${made.request_id}`);
    const result = { path: pathOf(made.response_url) };
    expect(await call(result)).toEqual({ status: 400, body: { detail: 'Request is still in progress' } });
    simulators.finishAll();
    const status = pathOf(made.status_url);
    expect((await call({ path: status })).body).toMatchObject({ status: 'COMPLETED', logs: null });
    expect((await call({ path: `${status}?logs=1` })).body.logs.at(-1)).toEqual({
      message: 'Done',
      level: 'INFO',
      source: 'USER',
      timestamp: expect.any(String),
    });
    const done = await call(result);
    expect(await fetched(done.body.video.url)).toMatchObject({ width: 1280, height: 720, seconds: 4 });
  });

  const IMAGE = 'https://example.com/a.png';
  it.each<[string, object]>([
    ['/fal-ai/veo3.1/fast', { duration: 4 }],
    ['/fal-ai/veo3.1/fast', { duration: '4' }],
    ['/fal-ai/veo3.1/lite', { resolution: '4k' }],
    ['/fal-ai/veo3.1/image-to-video', {}],
    ['/fal-ai/kling-video/v2.6/pro/text-to-video', { duration: '5s' }],
    ['/fal-ai/kling-video/v2.6/pro/text-to-video', { duration: 5 }],
    ['/fal-ai/kling-video/v2.6/pro/text-to-video', { resolution: '1080p' }],
    ['/fal-ai/kling-video/v2.6/pro/image-to-video', { image_url: IMAGE }],
    ['/fal-ai/kling-video/v3/pro/image-to-video', { start_image_url: IMAGE, aspect_ratio: '16:9' }],
    ['/fal-ai/wan/v2.7/text-to-video', { duration: '5' }],
    ['/bytedance/seedance-2.0/text-to-video', { duration: 5 }],
  ])(
    'accepts a wrong input of %s into the queue, and reports the problem as the result: %j',
    async (app, wrong) => {
      const { simulators, call } = await serviceOf('fal', 'Key');
      const { body: made } = await call({ path: app, body: { prompt: 'a boat', ...wrong } });
      simulators.finishAll();
      expect(await call({ path: pathOf(made.response_url) })).toMatchObject({
        status: 422,
        body: { detail: [{ type: 'value_error', msg: expect.any(String) }] },
      });
    },
  );

  it.each<[string, object, number]>([
    ['/fal-ai/veo3.1', { duration: '6s', resolution: '4k', generate_audio: false }, 6 * 0.2],
    ['/fal-ai/kling-video/v2.6/pro/text-to-video', { duration: '10' }, 10 * 0.14],
    ['/fal-ai/kling-video/v3/standard/image-to-video', { start_image_url: IMAGE, duration: '3' }, 3 * 0.126],
    ['/fal-ai/wan/v2.7/text-to-video', { duration: 2, aspect_ratio: '3:4' }, 2 * 0.1],
    ['/bytedance/seedance-2.0/image-to-video', { image_url: IMAGE, duration: '4' }, 4 * 0.3034],
  ])('takes the inputs of %s as its schema spells them: %j', async (app, inputs, usd) => {
    const { simulators, call } = await serviceOf('fal', 'Key');
    const { body: made } = await call({ path: app, body: { prompt: 'a boat', ...inputs } });
    simulators.finishAll();
    expect(await call({ path: pathOf(made.response_url) })).toMatchObject({ status: 200 });
    expect(simulators.ledger.job('fal', made.request_id)?.bills[0]?.usd).toBeCloseTo(usd);
  });

  it('cancels an unfinished request at the URL that it named, and reports a finished one', async () => {
    const { simulators, call } = await serviceOf('fal', 'Key');
    const { body: made } = await call({ path, body });
    const cancel = { path: pathOf(made.cancel_url), method: 'PUT' };
    expect(await call(cancel)).toEqual({ status: 202, body: { status: 'CANCELLATION_REQUESTED' } });
    expect(await call({ path: pathOf(made.response_url) })).toMatchObject({
      status: 499,
      body: { error_type: 'client_cancelled' },
    });
    expect(await call(cancel)).toEqual({ status: 400, body: { status: 'ALREADY_COMPLETED' } });
    expect(await call({ ...cancel, path: cancel.path.replace(made.request_id, 'none') })).toEqual({
      status: 404,
      body: { status: 'NOT_FOUND' },
    });
    expect(simulators.ledger.job('fal', made.request_id)).toMatchObject({
      operations: { cancel: 2 },
      bills: [],
    });
  });

  it('reports the place of a request in the queue', async () => {
    const { call } = await serviceOf('fal', 'Key');
    const waiting = { path, body: { ...body, prompt: 'a boat [queued]' } };
    const made = [await call(waiting), await call(waiting)];
    expect(made.map((one) => one.body.queue_position)).toEqual([0, 1]);
    expect((await call({ path: pathOf(made[1]?.body.status_url) })).body).toMatchObject({
      status: 'IN_QUEUE',
      queue_position: 1,
      response_url: made[1]?.body.response_url,
    });
  });

  it('runs two requests of an account at a time', async () => {
    const { simulators, call } = await serviceOf('fal', 'Key');
    const made = await Promise.all([1, 2, 3].map(() => call({ path, body: body })));
    simulators.advance(600_000);
    const states = await Promise.all(
      made.map(async (one) => (await call({ path: pathOf(one.body.status_url) })).body.status),
    );
    expect(states.sort()).toEqual(['IN_PROGRESS', 'IN_PROGRESS', 'IN_QUEUE']);
  });
});
