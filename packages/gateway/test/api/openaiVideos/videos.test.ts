import { createCanvas, loadImage } from '@napi-rs/canvas';
import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Video, VideoErrorAnswer, VideoPage } from '../../../src/api/openaiVideos/schemas.ts';
import { newTaskId } from '../../../src/tasks/ids.ts';
import { type Json, KEY, startTestGateway, type TestGateway } from '../../support/gateway.ts';

const PNG = createCanvas(854, 480).toBuffer('image/png');
const SHORT = { model: 'onetake-preview', prompt: 'a paper boat', seconds: '1', size: '854x480' };
const FIELDS = Object.keys(Video.shape).sort();

let t: TestGateway;
let client: OpenAI;
let first: OpenAI.Video;

beforeAll(async () => {
  t = await startTestGateway();
  client = new OpenAI({ baseURL: `${t.gateway.address}/v1`, apiKey: KEY, maxRetries: 0 });
  first = await finished(await create());
}, 60_000);
afterAll(() => t.end());
// Renders that nobody waits for would keep the next ones waiting.
afterEach(async () => {
  const { body } = await t.json('/v1/videos?limit=100');
  for (const { id, status } of body.data)
    if (status === 'queued' || status === 'in_progress')
      await t.call(`/v1/video/generations/${id}/cancel`, { method: 'POST' });
});

/** The types of the SDK know only OpenAI's own models. */
const create = (body: object = {}) =>
  client.videos.create({ ...SHORT, ...body } as unknown as OpenAI.VideoCreateParams);

async function finished({ id }: { id: string }): Promise<OpenAI.Video> {
  await t.json(`/v1/video/generations/${id}?wait=30`);
  for (;;) {
    const video = await client.videos.retrieve(id);
    if (video.status === 'completed' || video.status === 'failed') return video;
  }
}

const post = (path: string, body: Json, headers: Record<string, string> = {}) =>
  t.json(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });

describe('a video', () => {
  it('has all fields, and only those, in every state', async () => {
    const { body } = await post('/v1/videos', { ...SHORT, seconds: '2' });
    for (const video of [body, await finished(body), first]) {
      expect(Object.keys(video).sort()).toEqual(FIELDS);
      expect(Video.parse(video).object).toBe('video');
    }
    expect(first).toMatchObject({
      ...SHORT,
      status: 'completed',
      progress: 100,
      error: null,
      remixed_from_video_id: null,
    });
    expect(first.completed_at).toBeGreaterThanOrEqual(first.created_at);
    expect(first.expires_at).toBeGreaterThan(first.completed_at ?? 0);
  });

  it('is a task of the unified API, and the other way round', async () => {
    const { body: task } = await t.json(`/v1/video/generations/${first.id}`);
    expect(task).toMatchObject({ task_id: first.id, status: 'succeeded', duration: 1, size: '854x480' });
    const other = await t.finished({ prompt: 'a kite' });
    expect(await client.videos.retrieve(other.task_id)).toMatchObject({
      prompt: 'a kite',
      status: 'completed',
    });
  });

  it('says when to ask again until it is finished, and has the headers that SDKs read', async () => {
    const made = await create({ seconds: '4' }).withResponse();
    expect(Number(made.response.headers.get('openai-poll-after-ms'))).toBeGreaterThan(0);
    expect(made.request_id).toMatch(/./);
    const { response } = await client.videos.retrieve(first.id).withResponse();
    expect(response.headers.get('openai-poll-after-ms')).toBeNull();
    expect(response.headers.get('openai-version')).toBe('2020-10-01');
    expect(Number(response.headers.get('openai-processing-ms'))).toBeGreaterThanOrEqual(0);
  });
});

describe('create', () => {
  it.each([
    ['a file', async () => toFile(PNG, 'boat.png', { type: 'image/png' })],
    ['a data URL', async () => ({ image_url: `data:image/png;base64,${PNG.toString('base64')}` })],
  ])('takes a first frame as %s', async (_form, reference) => {
    const video = await finished(await create({ input_reference: await reference() }));
    expect(video.status, JSON.stringify(video.error)).toBe('completed');
  });

  it('takes the same as JSON and as a form, with text as it was', async () => {
    const prompt = 'two lines\nand “more”';
    const [form, json] = [await create({ prompt }), (await post('/v1/videos', { ...SHORT, prompt })).body];
    expect(form.prompt).toBe(prompt);
    expect({ ...json, id: '', created_at: 0 }).toMatchObject({ ...form, id: '', created_at: 0, progress: 0 });
  });

  it('leaves out what is null, and uses the defaults of the model', async () => {
    const { status, body } = await post('/v1/videos', {
      model: 'onetake-preview',
      prompt: 'a kite',
      seconds: null,
      size: null,
      input_reference: null,
    });
    expect([status, body.seconds, body.size]).toEqual([200, '4', '1280x720']);
  });

  it.each<[string, Json, { param?: string | null; code?: string; says: string }]>([
    ['an unknown field', { ...SHORT, fps: 24 }, { param: 'fps', code: 'unknown_parameter', says: 'fps' }],
    [
      'all unknown fields',
      { ...SHORT, fps: 24, image_tail: 'x' },
      { param: 'fps', code: 'unknown_parameter', says: 'Unknown parameters: "fps" and "image_tail"' },
    ],
    [
      'no prompt',
      { model: SHORT.model },
      { param: 'prompt', code: 'missing_required_parameter', says: 'prompt' },
    ],
    [
      'an unknown model',
      { ...SHORT, model: 'onetake-previw' },
      { param: 'model', code: 'model_not_found', says: 'onetake-preview' },
    ],
    [
      'seconds that the model cannot make',
      { ...SHORT, seconds: '99' },
      { param: 'seconds', code: 'invalid_value', says: '1 to 20' },
    ],
    [
      'a size that it cannot make',
      { ...SHORT, size: '720x1281' },
      { param: 'size', code: 'invalid_value', says: '720x1281' },
    ],
    [
      'a reference of neither kind',
      { ...SHORT, input_reference: 'boat' },
      { param: 'input_reference', code: 'invalid_value', says: 'input_reference' },
    ],
    [
      'a reference with an unknown member',
      { ...SHORT, input_reference: { url: 'x' } },
      { param: 'url', code: 'unknown_parameter', says: 'url' },
    ],
    [
      'a reference of both kinds',
      { ...SHORT, input_reference: { image_url: 'https://x', file_id: 'y' } },
      { param: 'input_reference', code: 'invalid_value', says: 'image_url' },
    ],
    [
      'an image that is none',
      { ...SHORT, input_reference: { image_url: 'data:image/png;base64,AAAA' } },
      { param: 'input_reference', code: 'invalid_value', says: 'input_reference' },
    ],
    [
      'characters',
      { ...SHORT, characters: [{ id: 'x' }] },
      { param: 'characters', code: 'unknown_parameter', says: 'characters' },
    ],
  ])('refuses %s, and names it', async (_what, body, { says, ...error }) => {
    const answer = await post('/v1/videos', body);
    expect(answer.status).toBe(400);
    expect(VideoErrorAnswer.strict().parse(answer.body).error).toMatchObject({
      type: 'invalid_request_error',
      ...error,
    });
    expect(answer.body.error.message).toContain(says);
  });

  it('refuses the default model where no account serves it, and says so', async () => {
    const { status, body } = await post('/v1/videos', { prompt: 'a kite' });
    expect([status, body.error.code]).toEqual([410, 'model_retired']);
    expect(body.error.message).toContain('Sora 2');
  });

  it('makes one video under an idempotency key, in any encoding, and refuses another request with it', async () => {
    const options = { headers: { 'Idempotency-Key': 'once' } };
    const body = {
      ...SHORT,
      input_reference: await toFile(PNG, 'a.png'),
    } as unknown as OpenAI.VideoCreateParams;
    const made = await client.videos.create(body, options);
    const again = await client.videos.create(body, options).withResponse();
    expect(again.data.id).toBe(made.id);
    expect(again.response.headers.get('idempotent-replayed')).toBe('true');
    const other = client.videos.create({ ...body, prompt: 'a kite' }, options);
    await expect(other).rejects.toThrow(OpenAI.UnprocessableEntityError);
    expect((await t.submit({ ...SHORT }, options)).status).toBe(422);
  });

  it('does not find the video of an idempotency key once that was deleted', async () => {
    const options = { headers: { 'Idempotency-Key': 'deleted' } };
    const body = SHORT as unknown as OpenAI.VideoCreateParams;
    const { id } = await finished(await client.videos.create(body, options));
    await client.videos.delete(id);
    await expect(client.videos.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
    await expect(client.videos.create(body, options)).rejects.toThrow(OpenAI.NotFoundError);
  });
});

describe('forms', () => {
  const BOUNDARY = '----7MA4YWxkTrZu0gW7MA4YWxk';
  const END = `--${BOUNDARY}--\r\n`;
  const form = (body: string | Uint8Array, type = `multipart/form-data; boundary=${BOUNDARY}`) =>
    t.json('/v1/videos', {
      method: 'POST',
      body: body as NonNullable<RequestInit['body']>,
      headers: { 'content-type': type },
    });
  const part = (name: string, value: string) =>
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  const notUtf8 = Buffer.from(`${part('prompt', 'a\xff')}${END}`, 'latin1');
  const flood = (boundary: string) =>
    `${`--${boundary}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\r\n`.repeat(100)}--${boundary}--\r\n`;
  const typed = (parameters: string) => `multipart/form-data; ${parameters}`;
  const headed = (header: string) => part('prompt', 'a').replace('\r\n\r\n', `\r\n${header}\r\n\r\n`);

  it.each<[string, string | Uint8Array, string, string?]>([
    ['a field twice', `${part('prompt', 'a')}${part('prompt', 'b')}${END}`, '"prompt" is given twice'],
    ['a member twice', `${part('video[id]', 'a').repeat(2)}${END}`, '"video[id]" is given twice'],
    ['a value and members', `${part('video', 'a')}${part('video[id]', 'a')}${END}`, '"video" is given twice'],
    ['a flood of parts', `${part('prompt', 'a').repeat(100)}${END}`, 'more than 64 parts'],
    ['what is no form', 'nothing', 'not valid multipart'],
    ['a form without an end', part('prompt', 'a'), 'not valid multipart'],
    ['no boundary', part('prompt', 'a'), 'needs a boundary', 'multipart/form-data'],
    ['an empty boundary', part('prompt', 'a'), 'needs a boundary', typed('boundary=""')],
    ['a boundary of 71 characters', flood('b'.repeat(71)), 'at most 70', typed(`boundary=${'b'.repeat(71)}`)],
    ['a boundary of other characters', flood('b*'), 'RFC 2046', typed('boundary=b*')],
    ['a long type', part('prompt', 'a'), 'at most 512', typed(`x=${' '.repeat(9000)}; boundary=${BOUNDARY}`)],
    [
      'a flood behind another boundary',
      flood('B'),
      'more than 64 parts',
      typed('x="; boundary=z"; boundary=B'),
    ],
    ['a flood behind an escape', flood('B'), 'more than 64 parts', typed('boundary="\\B"')],
    [
      'long headers of a part',
      `${headed(`X: ${'x'.repeat(5000)}`)}${END}`,
      'more than 2048 bytes of headers',
    ],
    ['an encoded part', `${headed('Content-Transfer-Encoding: base64')}${END}`, 'Content-Transfer-Encoding'],
    ['a part without a name', `--${BOUNDARY}\r\n\r\na\r\n${END}`, 'not valid multipart'],
    ['what is not UTF-8', notUtf8, 'not valid UTF-8'],
  ])('refuses %s', async (_what, body, says, type) => {
    const { status, body: answer } = await form(body, type);
    expect([status, answer.error.code]).toEqual([400, 'invalid_form']);
    expect(answer.error.message).toContain(says);
  });

  it('searches a body for nothing but its boundary and the ends of headers', async () => {
    const searches = [vi.spyOn(Buffer.prototype, 'indexOf'), vi.spyOn(Buffer.prototype, 'includes')];
    const alike = 'a'.repeat(2000);
    const body = Buffer.from(
      `${part('prompt', `${alike}\xff${alike}`)}${part('model', alike)}${END}`,
      'latin1',
    );
    const { body: answer } = await form(body);
    const sought = searches.flatMap(({ mock }) =>
      mock.calls
        .filter((_call, index) => (mock.contexts[index]?.length ?? 0) > alike.length)
        .map(([text]) => text),
    );
    for (const search of searches) search.mockRestore();
    expect(answer.error.message).toContain('not valid UTF-8');
    expect(sought.map(String)).toContain(`\r\n--${BOUNDARY}`);
    expect(sought.filter((text) => String(text).length > BOUNDARY.length + 4)).toEqual([]);
  });

  it('takes U+FFFD that is meant', async () => {
    const fields = Object.entries({ ...SHORT, prompt: 'a \ufffd' }).map(([name, value]) => part(name, value));
    const { status, body } = await form(`${fields.join('')}${END}`);
    expect([status, body.prompt], JSON.stringify(body)).toEqual([200, 'a \ufffd']);
  });

  it('are for this API only', async () => {
    const { status } = await t.submit(`${part('prompt', 'a')}${END}`, {
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
    });
    expect(status).toBe(415);
  });

  it.each([`a b'()+_,-./:=?c`, 'b'.repeat(70)])('take the boundary %s', async (boundary) => {
    const fields = Object.entries(SHORT).map(([name, value]) => part(name, value));
    const body = `${fields.join('')}${END}`.replaceAll(BOUNDARY, boundary);
    expect((await form(body, typed(`boundary="${boundary}"`))).status).toBe(200);
  });

  it.each([
    ['text', part('prompt', 'a'.repeat(2 ** 20))],
    ['text that names a file', headed(`X: filename="a"`).replace(/a\r\n$/, `${'a'.repeat(2 ** 20)}\r\n`)],
    ['what is before the parts', `${'a'.repeat(2 ** 20)}\r\n${part('prompt', 'a')}`],
    ['what is behind the parts', `${part('prompt', 'a')}${END}${'a'.repeat(2 ** 20)}`],
  ])('have 1 MiB at most besides their files: %s', async (_what, body) => {
    const { status, body: answer } = await form(`${body}${END}`);
    expect([status, answer.error.code]).toEqual([413, 'body_too_large']);
    expect(answer.error.message).toContain('1 MiB besides');
  });

  it('are not read beyond the limit of a body', async () => {
    const { status, body } = await form(Buffer.alloc(80 * 2 ** 20));
    expect([status, body.error.code]).toEqual([413, 'body_too_large']);
  });
});

describe('errors', () => {
  it.each<[string, string, RequestInit & { key?: string | null }, number, string]>([
    ['no key', `/v1/videos`, { key: null }, 401, 'invalid_api_key'],
    ['a wrong key', `/v1/videos/${newTaskId()}`, { key: 'sk-wrong' }, 401, 'invalid_api_key'],
    ['an unknown video', `/v1/videos/${newTaskId()}`, {}, 404, 'not_found'],
    ['what is no id', '/v1/videos/x', {}, 404, 'not_found'],
    ['an unknown path', '/v1/videos/x/y/z', {}, 404, 'not_found'],
    ['another method', '/v1/videos/edits', {}, 405, 'method_not_allowed'],
    ['a character', '/v1/videos/characters/x', {}, 404, 'not_found'],
    ['another type', '/v1/videos', { method: 'POST', body: 'x' }, 415, 'unsupported_media_type'],
    ['an unknown parameter', '/v1/videos?status=failed', {}, 400, 'unknown_parameter'],
    ['a wrong cursor', '/v1/videos?after=x', {}, 400, 'invalid_value'],
  ])('have OpenAI’s form: %s', async (_what, path, init, status, code) => {
    const answer = await t.json(path, init);
    expect(answer.status).toBe(status);
    expect(VideoErrorAnswer.strict().parse(answer.body).error.code).toBe(code);
    expect(answer.headers.get('x-request-id')).toMatch(/./);
  });

  it('hide the videos of other projects', async () => {
    const { body: key } = await post('/v1/admin/keys', {
      name: 'other',
      project: 'other',
      scopes: ['generate'],
    });
    const stranger = client.withOptions({ apiKey: key.key });
    await expect(stranger.videos.retrieve(first.id)).rejects.toThrow(OpenAI.NotFoundError);
    await expect(stranger.videos.downloadContent(first.id)).rejects.toThrow(OpenAI.NotFoundError);
    await expect(stranger.videos.delete(first.id)).rejects.toThrow(OpenAI.NotFoundError);
    await expect(stranger.videos.remix(first.id, { prompt: 'x' })).rejects.toThrow(OpenAI.NotFoundError);
    expect((await stranger.videos.list()).data).toEqual([]);
  });
});

describe('list', () => {
  it('pages in both directions, as the SDK does', async () => {
    const newest: string[] = [];
    for await (const { id } of client.videos.list({ limit: 2 })) newest.push(id);
    expect(newest.length).toBeGreaterThan(2);
    const oldest: string[] = [];
    for await (const { id } of client.videos.list({ limit: 3, order: 'asc' })) oldest.push(id);
    expect(oldest).toEqual(newest.toReversed());
    const { body } = await t.json('/v1/videos?limit=1&order=asc');
    expect(VideoPage.strict().parse(body)).toMatchObject({
      first_id: first.id,
      last_id: first.id,
      has_more: true,
    });
    const none = await t.json('/v1/videos?limit=0');
    expect(none.body).toMatchObject({ data: [], first_id: null, last_id: null, has_more: false });
  });
});

describe('content', () => {
  it('is the video, and its poster frame', async () => {
    const video = Buffer.from(await (await client.videos.downloadContent(first.id)).arrayBuffer());
    const unified = await t.call(`/v1/video/generations/${first.id}/content`);
    expect(video.equals(Buffer.from(await unified.arrayBuffer()))).toBe(true);
    const poster = await client.videos.downloadContent(first.id, { variant: 'thumbnail' });
    expect(poster.headers.get('content-type')).toBe('image/jpeg');
    const part = await t.call(`/v1/videos/${first.id}/content`, { headers: { range: 'bytes=4-7' } });
    expect([part.status, await part.text()]).toEqual([206, 'ftyp']);
  });

  it('is a sprite sheet, which is made when it is asked for', async () => {
    const sheet = await client.videos.downloadContent(first.id, { variant: 'spritesheet' });
    expect(sheet.headers.get('content-type')).toBe('image/jpeg');
    const { width, height } = await loadImage(Buffer.from(await sheet.arrayBuffer()));
    expect([width, height]).toEqual([5 * 320, 4 * 180]);
    const path = `/v1/video/generations/${first.id}/content?variant=spritesheet`;
    const etag = sheet.headers.get('etag') ?? '';
    expect((await t.call(path, { headers: { 'if-none-match': etag } })).status).toBe(304);
    const head = await t.call(path, { method: 'HEAD' });
    expect([head.status, head.headers.get('etag')]).toEqual([200, etag]);
    // Only who decodes the video knows the length.
    expect(head.headers.get('content-length')).toBeNull();
  });

  it('of an unfinished video is a 409 that no SDK repeats', async () => {
    const made = await create({ seconds: '20', size: '1920x1080' });
    const calls: string[] = [];
    const patient = client.withOptions({
      maxRetries: 5,
      fetch: (url, init) => {
        calls.push(String(url));
        return fetch(url, init);
      },
    });
    await expect(patient.videos.downloadContent(made.id)).rejects.toThrow(OpenAI.ConflictError);
    await expect(patient.videos.delete(made.id)).rejects.toThrow(OpenAI.ConflictError);
    expect(calls).toHaveLength(2);
    await t.json(`/v1/video/generations/${made.id}/cancel`, { method: 'POST' });
    const failed = await finished(made);
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'cancelled' }, completed_at: null });
  });
});

it('deletes a finished video, which is unknown from then on', async () => {
  const video = await finished(await create({ prompt: 'to be deleted' }));
  expect(await client.videos.delete(video.id)).toEqual({
    id: video.id,
    object: 'video.deleted',
    deleted: true,
  });
  await expect(client.videos.retrieve(video.id)).rejects.toThrow(OpenAI.NotFoundError);
  await expect(client.videos.delete(video.id)).rejects.toThrow(OpenAI.NotFoundError);
});

describe('what the model cannot do', () => {
  it.each([
    ['remix', () => client.videos.remix(first.id, { prompt: 'at night' })],
    ['edit', () => client.videos.edit({ video: { id: first.id }, prompt: 'at night' })],
    ['extend', () => client.videos.extend({ video: { id: first.id }, prompt: 'it goes on', seconds: '4' })],
  ])('is a 400 that names models that can: %s', async (_what, call) => {
    const error: unknown = await call().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ param: 'model', code: 'unsupported_operation' });
    expect(String(error)).toMatch(/onetake-preview cannot .*; set model to one that can, such as \S+/);
  });

  it('is a 400: an uploaded video without a model, and a character', async () => {
    const video = await toFile(Buffer.from('video'), 'a.mp4');
    await expect(client.videos.edit({ video, prompt: 'x' })).rejects.toMatchObject({
      status: 400,
      param: 'model',
    });
    const character = client.videos.createCharacter({ name: 'Ada', video });
    await expect(character).rejects.toMatchObject({ status: 400, code: 'unsupported_operation' });
  });
});
