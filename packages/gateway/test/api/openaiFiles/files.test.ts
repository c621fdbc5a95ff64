import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FileObject, FilePage } from '../../../src/api/openaiFiles/schemas.ts';
import { VideoErrorAnswer } from '../../../src/api/openaiVideos/schemas.ts';
import { eventually } from '../../support/eventually.ts';
import { type Json, KEY, startTestGateway, type TestGateway } from '../../support/gateway.ts';

const PNG = createCanvas(854, 480).toBuffer('image/png');
const HOUR = 3600;
const UNKNOWN = `file-${'0'.repeat(32)}`;
const SHORT = { model: 'onetake-preview', prompt: 'a paper boat', seconds: '1', size: '854x480' };
const QUICK = { model: 'onetake-preview', prompt: 'a paper boat', duration: 1, size: '854x480' };

let ahead = 0;
let t: TestGateway;
let client: OpenAI;
/** Of another project. */
let stranger: string;

beforeAll(async () => {
  t = await startTestGateway(
    { ONETAKE_FILE_LIMIT_MB: '2', ONETAKE_FILE_STORAGE_MB: '3', ONETAKE_BODY_LIMIT_MB: '1' },
    { clock: { now: () => Date.now() + ahead } },
  );
  client = new OpenAI({ baseURL: `${t.gateway.address}/v1`, apiKey: KEY, maxRetries: 0 });
  const { body } = await t.json('/v1/admin/keys', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'stranger', project: 'elsewhere' }),
  });
  stranger = body.key;
});
afterAll(() => t.end());
// What a failed test leaves fails no other.
afterEach(async () => {
  for await (const { id } of client.files.list()) await client.files.delete(id);
});

const upload = async (bytes: Buffer = PNG, name = 'boat.png', more: object = {}) =>
  client.files.create({ file: await toFile(bytes, name), purpose: 'user_data', ...more });

/** An upload whose form is written here. */
const post = (fields: readonly (readonly [string, string | Blob, string?])[], key = KEY) => {
  const form = new FormData();
  for (const [name, value, filename] of fields)
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, filename ?? 'boat.png');
  return t.json('/v1/files', { method: 'POST', body: form, key });
};
const png = new Blob([new Uint8Array(PNG)]);

const stored = () => readdir(join(t.dataDir, 'media', 'file')).catch(() => []);
const submit = (body: object, key = KEY) => t.submit({ ...QUICK, ...body }, { key });
const make = (body: object) =>
  client.videos.create({ ...SHORT, ...body } as unknown as OpenAI.VideoCreateParams);

describe('a file', () => {
  it('is uploaded, retrieved, listed, downloaded and deleted by the openai package', async () => {
    const file = await upload(PNG, 'ein „Boot“.png', {
      expires_after: { anchor: 'created_at', seconds: HOUR },
    });
    expect(FileObject.strict().parse(file)).toMatchObject({
      bytes: PNG.length,
      filename: 'ein „Boot“.png',
      purpose: 'user_data',
      status: 'processed',
      expires_at: file.created_at + HOUR,
    });
    expect(await client.files.retrieve(file.id)).toEqual(file);
    expect(await client.files.waitForProcessing(file.id)).toEqual(file);
    const content = await client.files.content(file.id);
    expect(Buffer.from(await content.arrayBuffer()).equals(PNG)).toBe(true);
    expect(content.headers.get('content-type')).toBe('image/png');
    expect(content.headers.get('content-disposition')).toBe(`attachment; filename="${file.id}.png"`);

    const other = await upload(PNG, 'b.png', { purpose: 'vision' });
    const listed = [];
    for await (const each of client.files.list({ limit: 1 })) listed.push(each);
    expect(listed).toEqual([other, file]);
    expect((await client.files.list({ order: 'asc', purpose: 'vision' })).data).toEqual([other]);
    const { body: page } = await t.json(`/v1/files?limit=1&after=${other.id}`);
    expect(FilePage.strict().parse(page)).toEqual({
      object: 'list',
      data: [file],
      first_id: file.id,
      last_id: file.id,
      has_more: false,
    });

    for (const { id } of listed) {
      expect(await client.files.delete(id)).toEqual({ id, object: 'file', deleted: true });
      await expect(client.files.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
      await expect(client.files.delete(id)).rejects.toThrow(OpenAI.NotFoundError);
    }
    expect((await client.files.list()).data).toEqual([]);
    expect(await stored()).toEqual([]);
  });

  it('gives its bytes in ranges and by conditions', async () => {
    const { id } = await upload();
    const path = `/v1/files/${id}/content`;
    const part = await t.call(path, { headers: { range: 'bytes=1-3' } });
    expect([part.status, await part.text()]).toEqual([206, 'PNG']);
    const head = await t.call(path, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(PNG.length));
    const etag = head.headers.get('etag') ?? '';
    expect((await t.call(path, { headers: { 'if-none-match': etag } })).status).toBe(304);
    await client.files.delete(id);
  });

  it('does not exist for another project, in any call', async () => {
    const { id } = await upload();
    for (const [method, path] of [
      ['GET', `/v1/files/${id}`],
      ['GET', `/v1/files/${id}/content`],
      ['DELETE', `/v1/files/${id}`],
    ] as const) {
      const { status, body } = await t.json(path, { method, key: stranger });
      expect([path, status, body.error.code]).toEqual([path, 404, 'not_found']);
    }
    expect((await t.json('/v1/files', { key: stranger })).body.data).toEqual([]);
    const unified = await submit({ image: id }, stranger);
    expect([unified.status, unified.body.error.reason, unified.body.error.param]).toEqual([
      404,
      'not_found',
      'image',
    ]);
    const { status, body } = await t.json('/v1/videos', {
      method: 'POST',
      key: stranger,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...SHORT, input_reference: { file_id: id } }),
    });
    expect([status, body.error.code, body.error.param]).toEqual([404, 'not_found', 'input_reference']);
    expect((await client.files.retrieve(id)).id).toBe(id);
    await client.files.delete(id);
  });

  it('expires, and is then gone for every call', async () => {
    const { id } = await upload(PNG, 'a.png', { expires_after: { anchor: 'created_at', seconds: HOUR } });
    ahead = HOUR * 1000 + 1000;
    for (const path of [`/v1/files/${id}`, `/v1/files/${id}/content`])
      expect([path, (await t.json(path)).status]).toEqual([path, 404]);
    expect((await submit({ image: id })).status).toBe(404);
    expect((await t.json('/v1/files')).body.data).toEqual([]);
    ahead = 0;
    await client.files.delete(id);
  });
});

it('an upload may say its expiry as JSON, as the OpenAPI document has it', async () => {
  const expiry = JSON.stringify({ anchor: 'created_at', seconds: 2 * HOUR });
  const { status, body } = await post([
    ['expires_after', expiry],
    ['file', png],
  ]);
  expect([status, body.expires_at - body.created_at]).toEqual([200, 2 * HOUR]);
});

describe('an upload is refused', () => {
  it.each<[string, Parameters<typeof post>[0], number, { param?: string; code: string; says: string }]>([
    [
      'without a file',
      [['purpose', 'vision']],
      400,
      { param: 'file', code: 'missing_required_parameter', says: 'file' },
    ],
    [
      'with text as its file',
      [['file', 'text']],
      400,
      { param: 'file', code: 'invalid_form', says: 'filename' },
    ],
    [
      'with a file in another field',
      [['image', png]],
      400,
      { param: 'image', code: 'unknown_parameter', says: '"image"' },
    ],
    [
      'with two files',
      [
        ['file', png],
        ['file', png],
      ],
      400,
      { param: 'file', code: 'invalid_form', says: 'one at a time' },
    ],
    [
      'with an unknown field',
      [
        ['file', png],
        ['user', 'x'],
      ],
      400,
      { param: 'user', code: 'unknown_parameter', says: '"user"' },
    ],
    [
      'for another purpose',
      [
        ['file', png],
        ['purpose', 'batch'],
      ],
      400,
      { param: 'purpose', code: 'invalid_value', says: 'user_data or vision' },
    ],
    [
      'with a purpose twice',
      [
        ['purpose', 'vision'],
        ['purpose', 'vision'],
      ],
      400,
      { param: 'purpose', code: 'invalid_form', says: 'twice' },
    ],
    [
      'with an expiry without its anchor',
      [
        ['file', png],
        ['expires_after[seconds]', '3600'],
      ],
      400,
      { param: 'expires_after', code: 'invalid_value', says: 'anchor' },
    ],
    [
      'with an expiry that is too late',
      [
        ['file', png],
        ['expires_after[anchor]', 'created_at'],
        ['expires_after[seconds]', '2592001'],
      ],
      400,
      { param: 'expires_after', code: 'invalid_value', says: '3600 to 2592000' },
    ],
    [
      'with an expiry as text',
      [
        ['file', png],
        ['expires_after', '3600'],
      ],
      400,
      { param: 'expires_after', code: 'invalid_value', says: 'anchor' },
    ],
    [
      'with text',
      [['file', new Blob(['hello']), 'a.png']],
      400,
      { param: 'file', code: 'invalid_value', says: 'of no known type' },
    ],
    [
      'with a PDF',
      [['file', new Blob(['%PDF-1.7\n']), 'a.pdf']],
      400,
      { param: 'file', code: 'invalid_value', says: 'application/pdf' },
    ],
    [
      'with a damaged image',
      [['file', new Blob([new Uint8Array(PNG.subarray(0, 500))]), 'a.png']],
      400,
      { param: 'file', code: 'invalid_value', says: 'file' },
    ],
    [
      'with much text',
      [
        ['file', png],
        ['purpose', 'x'.repeat(2 ** 20 + 1)],
      ],
      413,
      { code: 'body_too_large', says: '1 MiB besides' },
    ],
    [
      'above the limit',
      [['file', new Blob([new Uint8Array(2 ** 21 + 1)])]],
      413,
      { param: 'file', code: 'body_too_large', says: 'ONETAKE_FILE_LIMIT_MB' },
    ],
    [
      'far above the limit',
      [['file', new Blob([new Uint8Array(2 ** 22)])]],
      413,
      { param: 'file', code: 'body_too_large', says: 'ONETAKE_FILE_LIMIT_MB' },
    ],
  ])('%s, and nothing of it stays', async (_what, fields, status, { says, ...error }) => {
    const answer = await post(fields);
    expect([answer.status, answer.body]).toEqual([status, expect.anything()]);
    expect(VideoErrorAnswer.strict().parse(answer.body).error).toMatchObject({
      type: 'invalid_request_error',
      ...error,
    });
    expect(answer.body.error.message).toContain(says);
    expect(await stored()).toEqual([]);
  });

  it('if it is no form', async () => {
    const json = { method: 'POST', body: '{}' };
    for (const type of ['application/json', '']) {
      const { status, body } = await t.json('/v1/files', { ...json, headers: { 'content-type': type } });
      expect([status, body.error.code]).toEqual([415, 'unsupported_media_type']);
      expect(body.error.message).toContain('curl -F file=');
    }
    expect((await t.json('/v1/files', { method: 'POST' })).status).toBe(400);
  });

  it('without a key', async () => {
    const { status } = await t.json('/v1/files', { key: null });
    expect(status).toBe(401);
  });

  it('if the connection is cut, and nothing of it stays', async () => {
    const form = `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n`;
    const cut = request(`${t.gateway.address}/v1/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'multipart/form-data; boundary=b' },
    });
    cut.on('error', () => undefined);
    cut.write(form + 'x'.repeat(100_000));
    await eventually(async () => expect(await stored()).toHaveLength(1));
    const closed = new Promise((resolve) => cut.once('close', resolve));
    cut.destroy();
    await closed;
    await eventually(async () => expect(await stored()).toEqual([]));
  });

  it('once the project keeps as much as it may; another project may still upload', async () => {
    // Real images, because what cannot be used is not kept.
    const noise = (side: number) => {
      const canvas = createCanvas(side, side);
      const image = canvas.getContext('2d').createImageData(side, side);
      image.data.forEach((_, at) => {
        image.data[at] = (at * 2_654_435_761) >>> 24;
      });
      canvas.getContext('2d').putImageData(image, 0, 0);
      return canvas.toBuffer('image/png');
    };
    const padded = Buffer.concat([noise(8), Buffer.alloc(1_800_000)]);
    const first = await upload(padded);
    const second = await post([['file', new Blob([new Uint8Array(padded)])]]);
    expect([second.status, second.body.error.code]).toEqual([409, 'storage_limit']);
    expect(second.headers.get('x-should-retry')).toBe('false');
    expect(await stored()).toHaveLength(1);
    const elsewhere = await post([['file', png]], stranger);
    expect(elsewhere.status).toBe(200);
    await client.files.delete(first.id);
    const third = await post([['file', png]]);
    expect(third.status).toBe(200);
    await client.files.delete(third.body.id);
    await t.json(`/v1/files/${elsewhere.body.id}`, { method: 'DELETE', key: stranger });
  });
});

describe('a file id', () => {
  async function succeeded(id: string): Promise<Json> {
    for (;;) {
      const { body } = await t.json(`/v1/video/generations/${id}?wait=30`);
      if (body.status === 'succeeded' || body.status === 'failed') return body;
    }
  }

  it.each([
    [
      'input_reference of /v1/videos',
      async (id: string) => (await make({ input_reference: { file_id: id } })).id,
    ],
    ['image', async (id: string) => (await submit({ image: id })).body.task_id],
  ])('stands for the bytes, as %s; the file may be deleted at once', async (_where, using) => {
    const { id } = await upload();
    const task = await using(id);
    await client.files.delete(id);
    const { status, error } = await succeeded(task);
    expect([status, error]).toEqual(['succeeded', undefined]);
  });

  it('counts as the request, so the video of an idempotency key is found after the file is gone', async () => {
    const { id } = await upload();
    const sameKey = { headers: { 'Idempotency-Key': 'by-file' } };
    const body = { ...SHORT, input_reference: { file_id: id } } as unknown as OpenAI.VideoCreateParams;
    const made = await client.videos.create(body, sameKey);
    await client.files.delete(id);
    expect((await client.videos.create(body, sameKey)).id).toBe(made.id);
    await succeeded(made.id);
  });

  it.each([
    ['is unknown', UNKNOWN],
    ['has another form', 'file-abc123'],
    ['has another prefix', 'x'],
    ['is a text of control characters', 'file-\u0007\ud800'],
  ])('that %s is a 404', async (_what, file_id) => {
    const { status, body } = await t.json('/v1/videos', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...SHORT, input_reference: { file_id } }).replace('\\ud800', ''),
    });
    expect([status, body.error.code]).toEqual([404, 'not_found']);
  });

  it('that is no first frame is refused by what it is', async () => {
    const wav = Buffer.concat([
      Buffer.from(
        '524946462e1f000057415645666d7420100000000100010040 1f0000401f000001000800'.replaceAll(' ', ''),
        'hex',
      ),
      Buffer.from('64617461401f0000', 'hex'),
      Buffer.alloc(8000, 128),
    ]);
    const sound = await upload(wav, 'a.wav');
    const { status, body } = await submit({ image: sound.id });
    expect([status, body.error.param]).toEqual([400, 'image']);
    expect(body.error.message).toContain('the file is audio/wav, and not an image');
    await client.files.delete(sound.id);
  });
});

describe('files', () => {
  it('are deleted by clients that send a type without a body', async () => {
    const { id } = await upload();
    const { status } = await t.json(`/v1/files/${id}`, {
      method: 'DELETE',
      headers: { 'content-type': 'application/json' },
    });
    expect(status).toBe(200);
  });

  it('have pages that begin after a file, and nothing else', async () => {
    for (const query of [
      'after=x',
      `after=${UNKNOWN.slice(5)}`,
      'limit=0',
      'limit=10001',
      'order=up',
      'purpose=batch',
      'page=2',
    ]) {
      const { status, body } = await t.json(`/v1/files?${query}`);
      expect([query, status, body.error.type]).toEqual([query, 400, 'invalid_request_error']);
    }
  });
});
