import { createCanvas } from '@napi-rs/canvas';
import { expect, it, onTestFinished } from 'vitest';
import { QUICK, startTestGateway } from '../../support/gateway.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const PNG = createCanvas(400, 400).toBuffer('image/png');
const IMAGE_MODEL = { ...QUICK, model: 'seedance-2.0', duration: 5 };
/** An upstream that cannot be reached: tasks wait, which is enough for these tests. */
const ACCOUNT = {
  ARK_API_KEY: 'ark-test',
  ARK_BASE_URL: 'http://127.0.0.1:9',
  ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1',
};

async function submitter(settings: Record<string, string> = {}, file?: string, dataDir?: string) {
  const t = await startTestGateway(settings, {
    ...(file === undefined ? {} : { file }),
    ...(dataDir === undefined ? {} : { dataDir }),
  });
  onTestFinished(() => t.end());
  const submit = (body: unknown) => t.submit(body, { headers: { 'idempotency-key': 'once' } });
  return { ...t, submit };
}

it('a retry gets the same response although the link of its image has expired', async () => {
  let expired = false;
  const host = await serve((_request, response) => {
    response.statusCode = expired ? 403 : 200;
    response.end(expired ? 'expired' : PNG);
  });
  const t = await submitter(ACCOUNT);
  const body = { ...IMAGE_MODEL, image: `${host.origin}/first.png` };
  const first = await t.submit(body);
  expect(first.status).toBe(200);
  expired = true;
  const again = await t.submit(body);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('idempotent-replayed')).toBe('true');
  expect((await t.submit({ ...body, prompt: 'another' })).status).toBe(422);
});

it('a retry gets the same response although the model is unavailable or gone', async () => {
  const dataDir = await tempFolder();
  const first = await (async () => {
    const t = await startTestGateway({ ...ACCOUNT }, { dataDir });
    const answer = await t.submit(IMAGE_MODEL, { headers: { 'idempotency-key': 'once' } });
    await t.gateway.close();
    return answer;
  })();
  expect(first.status).toBe(200);
  const t = await submitter({}, undefined, dataDir);
  expect((await t.json('/v1/models/seedance-2.0')).body.available).toBe(false);
  expect((await t.submit(IMAGE_MODEL)).body).toEqual(first.body);
});

it('a retry gets the same response, including rounded values', async () => {
  const t = await submitter({ OPENAI_API_KEY: 'sk-openai', OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' });
  const body = { model: 'sora-2', prompt: 'a paper boat', duration: 5 };
  const first = await t.submit(body);
  expect(first.body.notes).toHaveLength(1);
  expect((await t.submit(body)).body).toEqual(first.body);
});

it('two simultaneous tries create one task', async () => {
  const host = await serve((_request, response) => response.end(PNG));
  const t = await submitter(ACCOUNT);
  const body = { ...IMAGE_MODEL, image: host.origin };
  const answers = await Promise.all([t.submit(body), t.submit(body), t.submit(body)]);
  expect(new Set(answers.map((answer) => answer.body.task_id)).size).toBe(1);
  expect((await t.json('/v1/video/generations')).body.data).toHaveLength(1);
});

it('a client that disconnects while its image is downloaded has submitted nothing', async () => {
  let arrived = () => {};
  const asked = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let left = () => {};
  const closed = new Promise<void>((resolve) => {
    left = resolve;
  });
  const host = await serve((request) => {
    request.socket.once('close', left);
    arrived();
  });
  const t = await submitter(ACCOUNT);
  const gone = new AbortController();
  const submitted = t.call('/v1/video/generations', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...IMAGE_MODEL, image: host.origin }),
    signal: gone.signal,
  });
  await asked;
  gone.abort();
  await expect(submitted).rejects.toThrow();
  await closed;
  expect((await t.json('/v1/video/generations')).body.data).toEqual([]);
});
