import { createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { json, text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { storedId } from '../../../src/providers/declared/id.ts';
import { NoVideo } from '../../../src/providers/declared/job.ts';
import { findVersionOf } from '../../../src/providers/declared/keyProof.ts';
import { definitionsOf, readProvider } from '../../../src/providers/declared/load.ts';
import type { Environment } from '../../../src/providers/definition.ts';
import {
  type Job,
  type MadeJob,
  type Provider,
  TooManyCallbacks,
  UpstreamError,
} from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { aRequest } from '../../support/builders.ts';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { handleOf, lostSubmission, required, settled } from '../contract/fixture.ts';
import { openDeclared } from './world.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, path: string) => unknown;

/** The members of a file that no test here is about. */
const PLAIN = {
  credentials: { api_key: { env: 'TOY_KEY' } },
  auth: { kind: 'bearer', token: 'api_key' },
  submit: { path: '/jobs', json: { prompt: '=prompt', tag: '=key' } },
  poll: { path: '/jobs/{id}' },
  job: {
    id: '=id',
    status: '=state',
    statuses: { waiting: 'queued', working: 'in_progress', done: 'succeeded', broken: 'failed' },
    result: { url: '=video' },
  },
  limits: { in_flight: 1, submits_per_minute: 60, polls_per_second: 5, min_poll_interval_ms: 100 },
};

/** A provider whose file has these members, and whose upstream answers JSON with what `answer` returns. */
async function toy(members: Record<string, unknown>, answer: Answer, env: Environment = {}) {
  const { origin, requests } = await serve(async (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://toy');
    const body = await answer(request, response, pathname);
    if (response.writableEnded) return;
    response.setHeader('content-type', 'application/json');
    response.end(body === undefined ? '' : JSON.stringify(body));
  });
  // JSON is YAML.
  const file = JSON.stringify({
    provider: 'toy',
    title: 'Toy',
    base_url: `${origin}/v1`,
    base_url_env: 'TOY_URL',
    ...PLAIN,
    ...members,
  });
  const { files, problems } = readProvider('toy.yaml', file);
  if (!files[0]) throw new Error(problems.join('\n'));
  const callback = { url: 'https://gateway.example/callbacks/toy', token: 'secret-token' };
  const provider = await openDeclared(files[0], {
    env: { TOY_KEY: 'a-key-of-toy', TOY_URL: `${origin}/v1`, ...env },
    callback,
  });
  onTestFinished(() => provider.close());
  return { provider, origin, requests };
}

const soon = () => AbortSignal.timeout(10_000);
const aJob = (changes: Parameters<typeof aRequest>[0] = {}): Job => ({
  taskId: newTaskId(),
  attempt: 1,
  idempotencyKey: newId(),
  upstreamModel: 'toy-1',
  request: aRequest(changes),
  openInput: async ({ mediaId }) => Readable.from([Buffer.from(mediaId)]),
});
const anImage = { mediaId: 'pixels', contentType: 'image/png', bytes: 6, width: 8, height: 8 };
const handle = (id: string) => handleOf(aJob(), id);
const poll = (provider: Provider, id = '7') => provider.poll(handle(id), soon());

describe('upload', () => {
  const upload = {
    path: '/files',
    multipart: { file: '=file' },
    uploaded: '=file_id',
    example: { file_id: 1 },
  };
  const submit = {
    path: '/jobs',
    json: { prompt: '=prompt', first: '=image.uploaded', others: '=reference_images.uploaded' },
  };
  const aReference = { type: 'image', input: anImage } as const;
  const withImages = aJob({ image: anImage, references: [aReference, aReference] });

  it('is sent for each image, and the submission reads what it was answered with', async () => {
    let made: unknown;
    let files = 0;
    const { provider } = await toy({ upload, submit }, async (request, _response, path) => {
      if (path === '/v1/files') {
        files += 1;
        return { file_id: files };
      }
      made = await json(request);
      return { id: 7, state: 'waiting' };
    });
    await provider.submit(withImages, sending(soon()));
    expect(made).toEqual({ prompt: withImages.request.prompt, first: 1, others: [2, 3] });
    await provider.submit(aJob(), sending(soon()));
    expect(files).toBe(3);
  });

  it.each([
    ['a server that is down', 503, {}, 'upstream_unavailable'],
    ['a refusal', 400, {}, 'invalid_request'],
    ['an answer without what the submission needs', 200, { name: 'x' }, 'upstream_unavailable'],
  ])('has made no job if it ends with %s', async (_what, status, body, reason) => {
    const { provider, requests } = await toy({ upload, submit }, (_request, response) => {
      response.statusCode = status;
      return body;
    });
    const submission = provider.submit(withImages, sending(soon()));
    await expect(submission).rejects.toMatchObject({ name: 'UpstreamError', reason, created: 'no' });
    expect(requests.filter(({ url }) => url?.endsWith('/jobs'))).toEqual([]);
  });
});

describe('references', () => {
  const clip = { ...anImage, mediaId: 'clip', contentType: 'video/mp4', duration: 5, fps: 24 };
  const sound = { mediaId: 'song', contentType: 'audio/mpeg', bytes: 4, duration: 5 };
  const submit = {
    path: '/jobs',
    json: {
      prompt: '=prompt',
      tag: '=key',
      seconds: '=auto_duration ? "auto" : duration',
      images: '=[reference_images.data_url]',
      media: '=[references.{"kind": type, "role": role, "url": type = "image" ? data_url : url}]',
    },
  };

  it('are read with their types, roles, bytes and links', async () => {
    const bodies: unknown[] = [];
    const { provider } = await toy({ submit }, async (request) => {
      bodies.push(await json(request));
      return { id: 7, state: 'waiting' };
    });
    const references = [
      { type: 'image', input: anImage },
      { type: 'video', role: 'source', input: { ...clip, sourceUrl: 'https://example.com/a.mp4' } },
      { type: 'audio', input: sound },
    ] as const;
    const linkTo: Job['linkTo'] = ({ mediaId }) => `https://gateway.example/media/${mediaId}`;
    await provider.submit({ ...aJob({ references, autoDuration: true }), linkTo }, sending(soon()));
    const pixels = `data:image/png;base64,${Buffer.from('pixels').toString('base64')}`;
    expect(bodies[0]).toMatchObject({
      seconds: 'auto',
      images: [pixels],
      media: [
        { kind: 'image', url: pixels },
        { kind: 'video', role: 'source', url: 'https://gateway.example/media/clip' },
        { kind: 'audio', url: 'https://gateway.example/media/song' },
      ],
    });
  });

  it.each<[string, object, object, RegExp]>([
    [
      'references that no request has',
      { prompt: '=prompt' },
      { references: { kind: 'references', takes: [{ type: 'image', max: 2 }] } },
      /models\.toy-1\.parameters\.references: is never sent, because submit does not read =references/,
    ],
    [
      'references of which only the plain images are sent',
      { prompt: '=prompt', images: '=reference_images' },
      {
        references: {
          kind: 'references',
          takes: [
            { type: 'image', max: 2 },
            { type: 'image', role: 'style', max: 1 },
          ],
        },
      },
      /parameters\.references: is never sent/,
    ],
    [
      'videos that would be no links',
      { prompt: '=prompt', media: '=references' },
      { references: { kind: 'references', takes: [{ type: 'video', max: 1 }] } },
      /parameters\.references\.takes\.0: needs limits with by: url/,
    ],
    [
      'a duration whose -1 is not sent',
      { prompt: '=prompt', seconds: '=duration' },
      { duration: { kind: 'range', min: 4, max: 8, default: 5, auto: true } },
      /parameters\.duration\.auto: is never sent, because submit does not read =auto_duration/,
    ],
  ])('in a file are refused: %s', (_what, body, parameters, message) => {
    const model = {
      title: 'Toy 1',
      family: 'toy',
      released: '2026-01-01',
      upstreamModel: 'toy-1',
      delivery: 'url',
      promptMaxLength: 1000,
      parameters: {
        duration: { kind: 'numbers', allowed: [5], default: 5 },
        resolution: { kind: 'choice', allowed: ['720p'], default: '720p' },
        aspectRatio: { kind: 'choice', allowed: ['16:9'], default: '16:9' },
        ...parameters,
      },
      price: { currency: 'USD', rates: [{ microsPerSecond: 1 }], billing: 'x' },
      typical: { medianSeconds: 1, p90Seconds: 2 },
      cancel: 'none',
    };
    const file = {
      provider: 'toy',
      title: 'Toy',
      base_url: 'https://toy.example',
      ...PLAIN,
      submit: { path: '/jobs', json: body },
      models: { 'toy-1': model },
    };
    const { problems } = readProvider('toy.yaml', JSON.stringify(file));
    expect(problems.join('\n')).toMatch(message);
  });
});

describe('auth', () => {
  const heard = async (auth: unknown, credentials: unknown = PLAIN.credentials, env: Environment = {}) => {
    const { provider, requests } = await toy({ auth, credentials }, () => ({ id: 7, state: 'working' }), env);
    await poll(provider);
    return { url: requests[0]?.url, headers: requests[0]?.headers };
  };

  it('sends a key in a header with a prefix, or in the query', async () => {
    expect(await heard({ kind: 'header', name: 'x-key', prefix: 'Key ', value: 'api_key' })).toMatchObject({
      headers: { 'x-key': 'Key a-key-of-toy' },
    });
    expect(await heard({ kind: 'query', name: 'k', value: 'api_key' })).toMatchObject({
      url: '/v1/jobs/7?k=a-key-of-toy',
    });
  });

  it('sends nothing for a credential that may be missing and is', async () => {
    const { headers } = await heard(PLAIN.auth, { api_key: { env: 'NO_SUCH', optional: true } });
    expect(headers?.authorization).toBeUndefined();
  });

  it.each([-600_000, 0, 600_000])(
    'signs a token by the clock of the upstream, which is %i ms ahead',
    async (aheadMs) => {
      const claims: { nbf: number; exp: number }[] = [];
      const { provider } = await toy(
        { auth: { kind: 'jwt', claims: {}, secret: 'api_key', lifetime_seconds: 60 } },
        ({ headers: { authorization = '' } }, response) => {
          response.setHeader('date', new Date(Date.now() + aheadMs).toUTCString());
          const [, payload = ''] = authorization.split('.');
          if (payload !== '') claims.push(JSON.parse(Buffer.from(payload, 'base64url').toString()));
          return { id: 7, state: 'working' };
        },
      );
      await poll(provider);
      const now = (Date.now() + aheadMs) / 1000;
      expect(claims).toHaveLength(1);
      expect(claims[0]?.nbf).toBeLessThan(now - 30);
      expect(claims[0]?.exp).toBeGreaterThan(now + 30);
    },
  );

  it('signs a token by its own clock for an upstream that does not tell the time', async () => {
    const { provider, requests } = await toy(
      { auth: { kind: 'jwt', claims: {}, secret: 'api_key' } },
      ({ method }, response) => {
        response.sendDate = false;
        if (method === 'HEAD') response.socket?.destroy();
        return { id: 7, state: 'working' };
      },
    );
    expect(await poll(provider)).toEqual({ state: 'in_progress' });
    expect(requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });

  it('asks for an access token once, and says so if it is refused', async () => {
    let refuses = false;
    const forms: string[] = [];
    const tokens = await serve(async (request, response) => {
      forms.push(await text(request));
      response.writeHead(refuses ? 401 : 200).end(JSON.stringify({ access_token: 'tok', expires_in: 3600 }));
    });
    const auth = {
      kind: 'oauth',
      token_url: tokens.origin,
      client_id: 'id',
      client_secret: 'api_key',
      scope: 'video',
    };
    const credentials = { ...PLAIN.credentials, id: { env: 'TOY_ID' } };
    const open = () => toy({ auth, credentials }, () => ({ id: 7, state: 'working' }), { TOY_ID: 'me' });
    const { provider, requests } = await open();
    await poll(provider);
    await poll(provider);
    expect(forms).toEqual([
      'grant_type=client_credentials&client_id=me&client_secret=a-key-of-toy&scope=video',
    ]);
    expect(requests.map(({ headers }) => headers.authorization)).toEqual(['Bearer tok', 'Bearer tok']);
    refuses = true;
    const { provider: refused } = await open();
    const error = await settled(refused.submit(aJob(), sending(soon())));
    expect(error).toMatchObject({ reason: 'auth_failed', created: 'no' });
  });
});

describe('an account of the environment', () => {
  it.each([
    ['needs a variable for each credential', PLAIN.credentials, { TOY_KEY: 'k' }, {}],
    [
      'needs the address of a server that may need no credential, or a credential',
      { api_key: { env: 'TOY_KEY', optional: true } },
      { TOY_URL: 'http://127.0.0.1:8188' },
      {},
    ],
    ['needs the address of a server without credentials', {}, { TOY_URL: 'http://127.0.0.1:8188' }, {}],
  ])('%s', (_what, credentials, enough, tooLittle) => {
    const auth = Object.keys(credentials).length > 0 ? PLAIN.auth : { kind: 'none' };
    const members = { ...PLAIN, credentials, auth, base_url_env: 'TOY_URL' };
    const text = JSON.stringify({ provider: 'toy', title: 'Toy', base_url: 'http://127.0.0.1', ...members });
    const definitions = definitionsOf(readProvider('toy.yaml', text).files);
    const accounts = (env: Environment) => readAccounts({ file: {}, env, definitions }).accounts.length;
    expect([accounts(enough), accounts(tooLittle)]).toEqual([1, 0]);
  });
});

describe('access tokens', () => {
  async function granted(
    answer: Answer,
    members: Record<string, unknown> = {},
    file: Record<string, unknown> = {},
  ) {
    let given = 0;
    const tokens = await serve((_request, response) => {
      given += 1;
      response.end(JSON.stringify({ access_token: `opaque/${given}`, expires_in: 3600, ...members }));
    });
    const auth = { kind: 'oauth', token_url: tokens.origin, client_id: 'id', client_secret: 'api_key' };
    const credentials = { ...PLAIN.credentials, id: { env: 'TOY_ID' } };
    const { provider } = await toy({ auth, credentials, ...file }, answer, { TOY_ID: 'me' });
    return { provider, given: () => given };
  }

  it('are asked for again after a 401, blanked, and the creation is not repeated', async () => {
    const calls: string[] = [];
    const { provider, given } = await granted((request, response) => {
      calls.push(`${request.method} ${request.headers.authorization}`);
      if (request.headers.authorization !== 'Bearer opaque/1') return { id: 7, state: 'working' };
      return response.writeHead(401).end('"the token opaque/1 was revoked"');
    });
    const error = await settled(provider.submit(aJob(), sending(soon())));
    expect(error).toMatchObject({ reason: 'auth_failed', created: 'no' });
    expect(String((error as UpstreamError).detail)).not.toContain('opaque/1');
    await poll(provider);
    expect(calls).toEqual(['POST Bearer opaque/1', 'GET Bearer opaque/2']);
    expect(given()).toBe(2);
  });

  it('are asked for again after a download was refused', async () => {
    const job = { ...PLAIN.job, result: { download: { path: '/files/{id}' } } };
    const downloads: unknown[] = [];
    const { provider, given } = await granted(
      ({ headers: { authorization }, url }, response) => {
        if (!url?.endsWith('/files/7')) return { id: 7, state: 'done' };
        downloads.push(authorization);
        return response.writeHead(authorization === 'Bearer opaque/1' ? 401 : 200).end('a video');
      },
      {},
      { job },
    );
    const answer = await poll(provider);
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    const open = () => provider.open(handle('7'), answer.result, 0, soon());
    expect(await settled(open())).toMatchObject({ reason: 'auth_failed' });
    expect(String(await readAll((await open()).stream))).toBe('a video');
    expect(downloads).toEqual(['Bearer opaque/1', 'Bearer opaque/2']);
    expect(given()).toBe(2);
  });

  it('are asked for once by calls at the same time, whether or not they say how long they are valid', async () => {
    const answer = () => ({ id: 7, state: 'working' });
    for (const expires_in of [null, undefined, '60000']) {
      const { provider, given } = await granted(answer, { expires_in });
      await Promise.all([poll(provider), poll(provider), poll(provider)]);
      expect(given()).toBe(1);
    }
  });
});

describe('submit', () => {
  it.each(['紙の船', 'two\nlines'])('sends nothing if a header cannot have the text %j', async (prompt) => {
    const submit = { path: '/jobs', headers: { 'x-prompt': '=prompt' } };
    const { provider, requests } = await toy({ submit }, () => ({ id: 7 }));
    const error = await settled(provider.submit(aJob({ prompt }), sending(soon())));
    expect(error).toMatchObject({
      reason: 'internal_error',
      created: 'no',
      detail: expect.stringContaining('headers.x-prompt'),
    });
    expect(requests).toEqual([]);
  });

  it('sends a form with images as files', async () => {
    let form: FormData | undefined;
    const submit = {
      path: '/jobs',
      multipart: { prompt: '=prompt', seconds: '=duration', picture: '=image', none: '=seed' },
    };
    const { provider } = await toy({ submit }, async (request) => {
      const headers = { 'content-type': request.headers['content-type'] ?? '' };
      form = await new Response(Readable.toWeb(request) as ReadableStream, { headers }).formData();
      return { id: 7, state: 'working' };
    });
    expect(await provider.submit(aJob({ image: anImage }), sending(soon()))).toEqual({
      upstreamId: '7',
      state: 'in_progress',
    });
    const picture = form?.get('picture');
    expect([...(form?.keys() ?? [])]).toEqual(['prompt', 'seconds', 'picture']);
    expect(form?.get('seconds')).toBe('4');
    expect(picture).toBeInstanceOf(File);
    expect(await (picture as File).text()).toBe('pixels');
    expect((picture as File).type).toBe('image/png');
  });

  it('sends the links of files, and refuses bytes for an upstream that takes links alone', async () => {
    let body: unknown;
    const submit = {
      path: '/jobs',
      json: {
        prompt: '=prompt',
        frame: '=image.url',
        clips: "=references[type = 'video'].{ 'at': url, 'as': role }",
      },
    };
    const { provider, requests } = await toy({ submit }, async (request) => {
      body = await json(request);
      return { id: 7, state: 'waiting' };
    });
    const image = { ...anImage, sourceUrl: 'https://x.example/boat.png' };
    const clip = {
      ...image,
      sourceUrl: 'https://x.example/sea.mp4',
      contentType: 'video/mp4',
      duration: 5,
      fps: 24,
    };
    const references = [
      { type: 'image', input: image },
      { type: 'video', role: 'source', input: clip },
    ] as const;
    await provider.submit(aJob({ image, references }), sending(soon()));
    expect(body).toMatchObject({ frame: image.sourceUrl, clips: { at: clip.sourceUrl, as: 'source' } });
    const refused = await settled(provider.submit(aJob({ image: anImage }), sending(soon())));
    expect(refused).toMatchObject({
      reason: 'invalid_request',
      created: 'no',
      message: expect.stringContaining('only by public links'),
    });
    expect(requests).toHaveLength(1);
  });

  it('merges the provider options that the file lists, and refuses others before anything is sent', async () => {
    const submit = { ...PLAIN.submit, options: ['cfg'] };
    let body: unknown;
    const { provider, requests } = await toy({ submit }, async (request) => {
      body = await json(request);
      return { id: 7, state: 'waiting' };
    });
    await provider.submit(aJob({ providerOptions: { cfg: 0.5 } }), sending(soon()));
    expect(body).toMatchObject({ prompt: 'a paper boat', cfg: 0.5 });
    const refused = await settled(
      provider.submit(aJob({ providerOptions: { upscale: true } }), sending(soon())),
    );
    expect(refused).toMatchObject({
      reason: 'invalid_request',
      created: 'no',
      message: expect.stringContaining('upscale'),
    });
    expect(requests).toHaveLength(1);
    for (const [providerOptions, names] of [
      [{ cfg: 1, upscale: true }, ['upscale']],
      [{ cfg: 1 }, []],
      [{ prompt: 'p' }, ['prompt']],
    ] as const) {
      const { request, upstreamModel } = aJob({ providerOptions });
      expect(await provider.refusedOptions(request, upstreamModel)).toEqual(names);
    }
  });

  it.each([
    ['no id', { state: 'waiting' }],
    ['an empty id', { id: '', state: 'waiting' }],
    ['an id that lost digits', { id: 2 ** 53, state: 'waiting' }],
    ['an id that no path can have', { id: '..', state: 'waiting' }],
    ['an id that is half a character', { id: '7\ud800', state: 'waiting' }],
    ['no object', 'ok'],
  ])('answered with %s has an unknown outcome', async (_what, answer) => {
    const { provider } = await toy({}, () => answer);
    expect(await settled(provider.submit(aJob(), sending(soon())))).toMatchObject({ created: 'unknown' });
  });

  it('that an expression cannot express is not sent', async () => {
    const submit = { path: '/jobs', json: { n: '=$number(prompt)' } };
    const { provider, requests } = await toy({ submit }, () => ({ id: 7 }));
    const error = await settled(provider.submit(aJob(), sending(soon())));
    expect(error).toMatchObject({
      reason: 'internal_error',
      created: 'no',
      detail: expect.stringContaining('$number(prompt)'),
    });
    expect(requests).toHaveLength(0);
  });
});

describe('job.video_id', () => {
  const submit = { path: '/jobs', json: { prompt: '=prompt', job: '=source', from: '=source_video_id' } };
  const job = { ...PLAIN.job, video_id: '=files[0].id' };
  const source = { taskId: newTaskId(), accountId: 'toy', upstreamId: '7', ref: 'https://x.example/7.mp4' };

  it.each([
    [{ files: [{ id: 'clip-7' }] }, 'clip-7'],
    [{ files: [{ id: 77 }] }, '77'],
    [{ files: [] }, undefined],
    [{ files: [{ id: '' }] }, undefined],
    [{ files: [{ id: 'x'.repeat(5000) }] }, undefined],
    [{ files: [{ id: { a: 1 } }] }, undefined],
  ])('of %j is kept with the result as %j', async (files, id) => {
    const ref = 'https://x.example/7.mp4';
    const { provider } = await toy({ submit, job }, () => ({ id: 7, state: 'done', video: ref, ...files }));
    expect(await poll(provider)).toEqual({
      state: 'succeeded',
      result: { ref, ...(id === undefined ? {} : { id }) },
    });
  });

  it('is what a submission that starts from the video reads, beside the id of its job', async () => {
    let sent: unknown;
    const { provider } = await toy({ submit, job }, async (request) => {
      sent = await json(request);
      return { id: 8, state: 'waiting' };
    });
    const extension = aJob({ source: { ...source, resultId: 'clip-7' } });
    await provider.submit(extension, sending(soon()));
    expect(sent).toEqual({ prompt: extension.request.prompt, job: '7', from: 'clip-7' });
    await provider.submit(aJob(), sending(soon()));
    expect(sent).not.toHaveProperty('from');
  });

  it('is needed: a video that was stored without one by an earlier version is refused, and nothing is sent', async () => {
    const { provider, requests } = await toy({ submit, job }, () => ({ id: 8, state: 'waiting' }));
    expect(await settled(provider.submit(aJob({ source }), sending(soon())))).toMatchObject({
      reason: 'invalid_request',
      created: 'no',
      message: expect.stringContaining('make that video again'),
    });
    expect(requests).toHaveLength(0);
  });
});

describe('errors', () => {
  const errors = {
    when: '=code != 0',
    code: '=code',
    message: '=msg',
    missing: [{ code: 404 }],
    table: [
      { code: 13, reason: 'content_rejected', created: 'no' },
      { code_matches: '^2', message_matches: 'credit', reason: 'quota_exhausted' },
      { status: [520, 529], reason: 'rate_limited', created: 'no' },
    ],
  };

  it.each([
    [200, { code: 13, msg: 'No' }, { reason: 'content_rejected', created: 'no', message: 'No' }],
    [200, { code: 21, msg: 'Out of Credits' }, { reason: 'quota_exhausted', created: 'unknown' }],
    [200, { code: 99 }, { reason: 'upstream_failed', created: 'unknown' }],
    [522, { code: 1 }, { reason: 'rate_limited', created: 'no' }],
    [400, { code: 1, msg: 'Bad' }, { reason: 'invalid_request', created: 'no', message: 'Bad' }],
    [500, 'oops', { reason: 'upstream_unavailable', created: 'unknown' }],
  ])('reads %i %j of a submission by the table', async (status, body, expected) => {
    const { provider } = await toy({ errors }, (_request, response) => {
      response.statusCode = status;
      return body;
    });
    const error = await settled(provider.submit(aJob(), sending(soon())));
    expect(error).toBeInstanceOf(UpstreamError);
    expect(error).toMatchObject(expected);
  });

  it.each([
    // With backtracking it would take longer than the universe exists.
    ['^(a+)+$', `${'a'.repeat(100_000)}!`, 'invalid_request'],
    ['^(a+)+b', `aab${'a'.repeat(1_000_000)}`, 'content_rejected'],
  ])('reads by /%s/ a message of any length in linear time', async (pattern, msg, reason) => {
    const table = [{ message_matches: pattern, reason: 'content_rejected' }];
    const { provider } = await toy({ errors: { ...errors, table } }, (_request, response) => {
      response.statusCode = 400;
      return { code: 1, msg };
    });
    expect(await settled(provider.submit(aJob(), sending(soon())))).toMatchObject({ reason });
  });

  it('takes a listed refusal of a poll for a job that does not exist, and no other', async () => {
    let answer: unknown = { code: 404 };
    const { provider } = await toy({ errors }, () => answer);
    expect(await poll(provider)).toMatchObject({ state: 'missing' });
    answer = { code: 5 };
    await expect(poll(provider)).rejects.toThrow(UpstreamError);
  });

  it('that cannot be read leave the outcome of a submission unknown', async () => {
    const { provider } = await toy({ errors: { when: '=code > 0' } }, () => ({ code: 'odd', id: 7 }));
    const error = await settled(provider.submit(aJob(), sending(soon())));
    expect(error).toBeInstanceOf(UpstreamError);
    expect(error).toMatchObject({ reason: 'upstream_unavailable', created: 'unknown' });
  });

  it('shows no secret of the account in what the upstream says', async () => {
    const { provider } = await toy({ errors }, () => ({
      code: 13,
      msg: 'the key a-key-of-toy is not yours',
    }));
    const error = await settled(provider.submit(aJob(), sending(soon())));
    expect(error).toMatchObject({ message: 'the key [secret] is not yours' });
    expect(JSON.stringify(error)).not.toContain('a-key-of-toy');
  });
});

describe('job', () => {
  it('reads progress, place, times and duration in any of their forms', async () => {
    const job = {
      ...PLAIN.job,
      progress: '=percent',
      queue_position: '=ahead',
      started_at: '=begun',
      ended_at: '=over',
      duration: '=seconds',
      result: { url: '=video', expires_at: '=until' },
    };
    let answer: unknown = { state: 'waiting', ahead: 3 };
    const { provider } = await toy({ job }, () => answer);
    expect(await poll(provider)).toEqual({ state: 'queued', queuePosition: 3 });
    answer = { state: 'working', percent: '140', begun: 1_790_000_000 };
    expect(await poll(provider)).toEqual({
      state: 'in_progress',
      progress: 100,
      startedAt: 1_790_000_000_000,
    });
    answer = {
      state: 'done',
      video: 'https://x.example/v',
      over: '2026-09-21T14:13:20Z',
      seconds: '4.5',
      until: 1_790_000_000_001,
    };
    expect(await poll(provider)).toEqual({
      state: 'succeeded',
      result: { ref: 'https://x.example/v', duration: 4.5, expiresAt: 1_790_000_000_001 },
      endedAt: 1_790_000_000_000,
    });
  });

  it.each([
    ['no video', { state: 'done' }],
    ['a video that is no link', { state: 'done', video: 'file:///etc/passwd' }],
  ])('that succeeded with %s is asked again, because its video is paid for', async (_what, answer) => {
    const { provider } = await toy({}, () => answer);
    await expect(poll(provider)).rejects.toMatchObject({
      reason: 'upstream_unavailable',
      detail: expect.stringMatching(/^succeeded without a video: \{/),
    });
  });

  it('that succeeded with an error and no video has failed', async () => {
    const job = { ...PLAIN.job, error: { message: '=why' } };
    const { provider } = await toy({ job }, () => ({ state: 'done', why: 'filtered' }));
    expect(await poll(provider)).toMatchObject({ state: 'failed', detail: 'filtered' });
  });

  it.each(['2026-09-21T14:13:20', '2026-09-21', '21 Sep 2026 14:13', 'September 2026'])(
    'has no time that is %j, because nobody knows its zone',
    async (over) => {
      const job = { ...PLAIN.job, ended_at: '=over' };
      const { provider } = await toy({ job }, () => ({ state: 'done', video: 'https://x.example/v', over }));
      expect(await poll(provider)).not.toHaveProperty('endedAt');
    },
  );

  it.each(['2026-09-21T14:13:20.000Z', '2026-09-21T22:13:20+08:00', '2026-09-21 14:13:20.000000+0000'])(
    'has the time %j',
    async (over) => {
      const job = { ...PLAIN.job, ended_at: '=over' };
      const { provider } = await toy({ job }, () => ({ state: 'done', video: 'https://x.example/v', over }));
      expect(await poll(provider)).toMatchObject({ endedAt: Date.UTC(2026, 8, 21, 14, 13, 20) });
    },
  );

  it('has one id, whether the upstream writes it as a number or a text', async () => {
    const job = { ...PLAIN.job, id: { t: '=id' } };
    let id: unknown = 17;
    const { provider } = await toy({ job }, () => ({ id, state: 'waiting' }));
    const first = await provider.submit(aJob(), sending(soon()));
    id = '17';
    const second = await provider.submit(aJob(), sending(soon()));
    expect([first.upstreamId, second.upstreamId]).toEqual(['{"t":"17"}', '{"t":"17"}']);
    expect(storedId({ t: 17 })).toBe('{"t":"17"}');
  });

  it('whose status is unknown counts as running, and one without a status is polled again', async () => {
    let answer: unknown = { state: 'resting' };
    const { provider } = await toy({}, () => answer);
    expect(await poll(provider)).toEqual({ state: 'in_progress' });
    answer = {};
    await expect(poll(provider)).rejects.toMatchObject({ reason: 'upstream_unavailable' });
  });
});

describe('result', () => {
  const bytes = Buffer.from('the bytes of a video');
  const opened = async (provider: Provider, offset = 0) => {
    const answer = await poll(provider);
    if (answer.state !== 'succeeded') throw new Error(answer.state);
    const { stream, offset: from } = await provider.open(handle('7'), answer.result, offset, soon());
    return { from, text: (await readAll(stream)).toString() };
  };

  it('is read from an answer, from any offset', async () => {
    const job = { ...PLAIN.job, result: { base64: '=data' } };
    const { provider } = await toy({ job }, () => ({ state: 'done', data: bytes.toString('base64') }));
    expect(await opened(provider, 4)).toEqual({ from: 4, text: 'bytes of a video' });
  });

  it('is the answer of a call with credentials', async () => {
    const job = { ...PLAIN.job, result: { download: { path: '/files/{id}', query: { form: 'mp4' } } } };
    const { provider, requests } = await toy({ job }, (_request, response, path) =>
      path.startsWith('/v1/files') ? response.end(bytes) : { state: 'done' },
    );
    expect((await opened(provider)).text).toBe(bytes.toString());
    expect(requests.at(-1)).toMatchObject({
      url: '/v1/files/7?form=mp4',
      headers: { authorization: 'Bearer a-key-of-toy' },
    });
  });

  it('is at a path of the API that the job tells, with credentials, and at no other host', async () => {
    let video = '/view?name=a%20boat';
    const { provider, requests } = await toy({}, (_request, response, path) =>
      path === '/v1/view' ? response.end(bytes) : { state: 'done', video },
    );
    expect(await opened(provider, 4)).toEqual({ from: 0, text: bytes.toString() });
    expect(requests.at(-1)).toMatchObject({
      url: '/v1/view?name=a%20boat',
      headers: { authorization: 'Bearer a-key-of-toy' },
    });
    video = '//elsewhere.example/v.mp4';
    await expect(opened(provider)).rejects.toThrow(NoVideo);
  });

  it('is behind a link that another call tells, fetched without credentials', async () => {
    const job = { ...PLAIN.job, result: { call: { path: '/links/{id}' }, url: '=at' } };
    const { provider, origin, requests } = await toy({ job }, (_request, response, path) => {
      if (path === '/v1/links/7') return { at: `${origin}/cdn/v.mp4` };
      return path === '/cdn/v.mp4' ? response.end(bytes) : { state: 'done' };
    });
    expect((await opened(provider)).text).toBe(bytes.toString());
    expect(requests.at(-1)?.headers.authorization).toBeUndefined();
  });

  it('is fetched only from the hosts that the file lists, also after a redirect', async () => {
    let video = 'https://elsewhere.example/v.mp4';
    const job = {
      ...PLAIN.job,
      result: { url: '=video', hosts: ['LOCALHOST', '127.0.0.1', '*.CDN.example'] },
    };
    const { provider, origin } = await toy({ job }, (_request, response, path) => {
      if (path === '/away') return response.writeHead(302, { location: 'http://169.254.169.254/meta' }).end();
      return path === '/v.mp4' ? response.end(bytes) : { state: 'done', video };
    });
    await expect(opened(provider)).rejects.toMatchObject({
      detail: expect.stringContaining('elsewhere.example'),
    });
    video = `${origin}/away`;
    await expect(opened(provider)).rejects.toMatchObject({
      detail: expect.stringContaining('169.254.169.254'),
    });
    for (const host of ['127.0.0.1', 'LocalHost']) {
      video = `${origin.replace('127.0.0.1', host)}/v.mp4`;
      expect((await opened(provider)).text).toBe(bytes.toString());
    }
  });
});

describe('many', () => {
  it('asks about all jobs in one call, and leaves out those that it cannot read', async () => {
    const many = { path: '/jobs', query: { ids: "=$join(ids, ',')" }, jobs: 'data.items', most: 50 };
    const { provider, requests } = await toy({ many }, () => ({
      data: {
        items: [{ id: 1, state: 'working' }, { state: 'done' }, { id: 3 }, { id: 'other', state: 'waiting' }],
      },
    }));
    const answers = await provider.pollMany?.([handle('1'), handle('2'), handle('3')], soon());
    expect(requests.map(({ url }) => url)).toEqual(['/v1/jobs?ids=1%2C2%2C3']);
    expect([...(answers ?? [])]).toEqual([
      ['1', { state: 'in_progress' }],
      ['other', { state: 'queued' }],
    ]);
  });

  it('answers about none if the upstream knows none', async () => {
    const many = { path: '/jobs', jobs: 'items', most: 50 };
    const { provider } = await toy({ many }, (_request, response) => {
      response.statusCode = 404;
      return {};
    });
    expect(await provider.pollMany?.([handle('1')], soon())).toEqual(new Map());
  });

  it('does not take an answer without a list for one without jobs', async () => {
    const many = { path: '/jobs', jobs: 'items', most: 50 };
    const { provider } = await toy({ many }, () => ({ items: null }));
    await expect(provider.pollMany?.([handle('1')], soon())).rejects.toThrow(UpstreamError);
  });
});

describe('find', () => {
  const LONG_MS = 3_600_000;
  const list = {
    path: '/jobs',
    query: { page: '=page' },
    jobs: 'items',
    created_at: '=made',
    newest_first: true,
  };
  const marked = { list: { ...list, marker: '=tag' } };
  const look = (provider: Provider, job: Job, ageMs = LONG_MS, known: string[] = []) =>
    provider.find?.(lostSubmission(job, known, ageMs), soon());
  const made = (agoMs: number) => Date.now() - agoMs;

  it('knows a job by the key that it was given, on any page', async () => {
    const job = aJob();
    const pages = [
      [{ id: 1, tag: 'x', made: made(0) }],
      [{ id: 2, tag: job.idempotencyKey, made: made(60_000) }],
    ];
    const { provider } = await toy({ find: marked }, ({ url }) => ({
      items: pages[Number(url?.split('=')[1]) - 1] ?? [],
    }));
    expect(await look(provider, job, 0)).toEqual({ found: true, upstreamId: '2', isCertain: true });
    expect(await look(provider, job, 0, ['2'])).toMatchObject({ found: false, certainty: 'unknown' });
  });

  it.each<[string, object, unknown[], string]>([
    [
      'absent, if all jobs since then are listed',
      {},
      [{ id: 1, tag: 'x', made: made(2 * LONG_MS) }],
      'absent',
    ],
    ['absent, if there are none', {}, [], 'absent'],
    ['unknown, if the list may leave jobs out', { newest_first: false }, [], 'unknown'],
    [
      'unknown, if the pages do not reach back to it',
      { pages: 1 },
      [{ id: 1, tag: 'x', made: made(0) }],
      'unknown',
    ],
    ['unknown, if a job has no id', {}, [{ tag: 'x', made: made(2 * LONG_MS) }], 'unknown'],
    ['absent, if jobs since then have other keys', {}, [{ id: 1, tag: newId(), made: made(0) }], 'absent'],
    ['absent, if only older jobs have no key', {}, [{ id: 1, made: made(2 * LONG_MS) }], 'absent'],
    ['unknown, if the list does not tell keys', {}, [{ id: 1, made: made(0) }], 'unknown'],
    ['unknown, if it tells something else', {}, [{ id: 1, tag: 'working', made: made(0) }], 'unknown'],
    ['unknown, if a job has neither key nor date', {}, [{ id: 1 }], 'unknown'],
    [
      'unknown, if jobs are not in the order of their dates',
      { pages: 1 },
      [
        { id: 1, tag: newId(), made: made(2 * LONG_MS) },
        { id: 2, tag: newId(), made: made(LONG_MS / 2) },
      ],
      'unknown',
    ],
    ...[0, 1, -1, 1e300, '1970-01-01T00:00:00Z', '0001-01-01T00:00:00Z', 'yesterday'].map(
      (date): [string, object, unknown[], string] => [
        `unknown, if only a job of the date ${date} would be old enough`,
        { pages: 1 },
        [
          { id: 1, tag: newId(), made: made(0) },
          { id: 2, tag: newId(), made: date },
        ],
        'unknown',
      ],
    ),
    [
      'unknown, if one page of an endless list is read',
      { query: {} },
      [{ id: 1, tag: 'x', made: made(0) }],
      'unknown',
    ],
  ])('says that a job which is not in the list is %s', async (_what, change, items, certainty) => {
    const find = { list: { ...list, marker: '=tag', ...change } };
    const { provider } = await toy({ find }, ({ url }) => ({
      items: url?.endsWith('=2') ? [] : items,
    }));
    expect(await look(provider, aJob())).toMatchObject({ found: false, certainty });
  });

  it.each([
    ['a job without a sensible date', { made: 1 }],
    ['a job that is out of order', { made: made(2 * LONG_MS) }],
  ])('reads on after %s', async (_what, odd) => {
    const job = aJob();
    const pages = [
      [
        { id: 1, tag: newId(), ...odd },
        { id: 2, tag: newId(), made: made(0) },
      ],
      [{ id: 3, tag: job.idempotencyKey, made: made(LONG_MS) }],
    ];
    const { provider } = await toy({ find: marked }, ({ url }) => ({
      items: pages[Number(url?.split('=')[1]) - 1] ?? [],
    }));
    expect(await look(provider, job)).toEqual({ found: true, upstreamId: '3', isCertain: true });
  });

  it('never takes an answer without a list for the absence of a job', async () => {
    const { provider } = await toy({ find: marked }, () => ({ error: 'busy' }));
    await expect(look(provider, aJob())).rejects.toThrow(UpstreamError);
  });

  it('knows a job by its prompt only if it was made since, and no other has it', async () => {
    const find = { list: { ...list, prompt: '=text' } };
    let items: unknown[] = [];
    const { provider } = await toy({ find }, ({ url }) => ({ items: url?.endsWith('=1') ? items : [] }));
    const mine = { id: 1, text: 'a paper boat', made: made(-1000) };
    items = [mine, { id: 2, text: 'a stone', made: made(0) }];
    expect(await look(provider, aJob(), 0)).toMatchObject({ found: true, upstreamId: '1' });
    items = [mine, mine];
    expect(await look(provider, aJob(), 0)).toMatchObject({ found: true, upstreamId: '1' });
    items = [mine, { ...mine, id: 3 }];
    expect(await look(provider, aJob(), 0)).toMatchObject({ found: false, certainty: 'unknown' });
    items = [{ ...mine, made: made(2 * LONG_MS) }];
    expect(await look(provider, aJob(), 0)).toMatchObject({ found: false });
  });
});

describe('find by the key alone', () => {
  const LONG_MS = 3_600_000;
  const ways = {
    'a call about one job': { by_key: { path: '/jobs/of/{key}' } },
    'a list of those with the key': {
      list: { path: '/jobs', query: { tag: '=key' }, jobs: 'items', marker: '=tag', newest_first: true },
    },
  };
  const look = (provider: Provider, job: Job, ...earlier: MadeJob[]) =>
    provider.find?.(lostSubmission(job, [], LONG_MS, earlier), soon());
  const make = async (provider: Provider, job: Job): Promise<MadeJob> => ({
    ...job,
    upstreamId: (await provider.submit(job, sending(soon()))).upstreamId,
  });

  /** An upstream that knows jobs by their tags, if it keeps these. `seed`: of jobs that `submit` gives a tag. */
  async function tagging(find: object, { keeps = true, tag = '=key' } = {}) {
    const made: { id: string; state: string; tag?: string }[] = [];
    const submit = { path: '/jobs', json: { prompt: '=prompt', tag } };
    const { provider } = await toy({ submit, find }, async (request, response, path) => {
      if (request.method === 'HEAD') return undefined;
      if (request.method === 'POST') {
        const { tag: given } = (await json(request)) as { tag?: string };
        made.push({
          id: `job-${made.length}`,
          state: 'working',
          ...(keeps && given !== undefined ? { tag: given } : {}),
        });
        return made.at(-1);
      }
      const asked =
        new URL(request.url ?? '', 'http://toy').searchParams.get('tag') ?? path.split('/').at(-1);
      const items = made.filter((job) => job.tag === asked);
      if (!path.includes('/of/')) return { items };
      if (items.length === 0) response.statusCode = 404;
      return items[0] ?? {};
    });
    return provider;
  }

  describe.each(Object.entries(ways))('by %s', (_way, find) => {
    it('finds the job, and says that one was never made if it finds another that was', async () => {
      const provider = await tagging(find);
      const made = await make(provider, aJob());
      expect(await look(provider, aJob())).toMatchObject({ found: false, certainty: 'unknown' });
      expect(await look(provider, aJob(), made)).toMatchObject({ found: false, certainty: 'absent' });
      expect(await look(provider, { ...aJob(), ...made })).toEqual({
        found: true,
        upstreamId: 'job-0',
        isCertain: true,
      });
    });

    it('never says so if the upstream drops what it was given, because every job would seem absent', async () => {
      const provider = await tagging(find, { keeps: false });
      const made = await make(provider, aJob());
      expect(await look(provider, aJob(), made)).toMatchObject({ found: false, certainty: 'unknown' });
    });

    it('says so if the upstream has forgotten the latest job, and gives up after some', async () => {
      const provider = await tagging(find);
      const forgotten: MadeJob[] = Array.from({ length: 3 }, () => ({ ...aJob(), upstreamId: 'gone' }));
      const made = await make(provider, aJob());
      expect(await look(provider, aJob(), ...forgotten, made)).toMatchObject({ certainty: 'unknown' });
      expect(await look(provider, aJob(), ...forgotten.slice(1), made)).toMatchObject({
        certainty: 'absent',
      });
    });

    it('never says so by a job of another kind, of which the upstream may keep the keys', async () => {
      const provider = await tagging(find, { tag: '=key' });
      const made = await make(provider, aJob());
      const another = { ...aJob(), upstreamModel: 'toy-2' };
      expect(await look(provider, another, made)).toMatchObject({ found: false, certainty: 'unknown' });
      expect(await look(provider, aJob(), made)).toMatchObject({ certainty: 'absent' });
      expect(await look(provider, another, made)).toMatchObject({ certainty: 'unknown' });
    });

    it('never says so of a job that was not given the key', async () => {
      const provider = await tagging(find, { tag: '=$exists(seed) ? key' });
      const made = await make(provider, aJob({ seed: 1 }));
      expect(await look(provider, aJob(), made)).toMatchObject({ found: false, certainty: 'unknown' });
      expect(await look(provider, aJob({ seed: 2 }), made)).toMatchObject({ certainty: 'absent' });
    });
  });

  it('is proven neither by a job that has the key elsewhere, nor by one that is looked for elsewhere', async () => {
    const submit = {
      method: 'PUT',
      path: '/jobs/{key}',
      json: { prompt: '=prompt', tag: '=$not($exists(seed)) ? key', other: { tag: '=$exists(seed) ? key' } },
    };
    const find = { by_key: { path: "/{duration = 5 ? 'short' : 'long'}/{key}" } };
    const made: string[] = [];
    const { provider } = await toy({ submit, find }, (request, response, path) => {
      const key = path.split('/').at(-1) ?? '';
      if (request.method === 'PUT') made.push(key);
      if (request.method !== 'HEAD' && !made.includes(key)) response.statusCode = 404;
      return { id: 'job', state: 'working' };
    });
    const earlier = await make(provider, aJob({ duration: 5 }));
    const certainty = async (job: Job) => await look(provider, job, earlier);
    expect(await certainty(aJob({ duration: 5, seed: 1 }))).toMatchObject({ certainty: 'unknown' });
    expect(await certainty(aJob({ duration: 8 }))).toMatchObject({ certainty: 'unknown' });
    expect(await certainty(aJob({ duration: 5 }))).toMatchObject({ certainty: 'absent' });
  });

  it('has a version: another one if what makes or finds jobs changes, the address or the credentials', async () => {
    const find = ways['a call about one job'];
    const submit = (tag: string) => ({ path: '/jobs', json: { prompt: '=prompt', tag } });
    const version = (members: object, url = 'https://toy.example/v1', secret = 'a') => {
      const plain = { provider: 'toy', title: 'Toy', base_url: 'https://toy.example/v1', ...PLAIN, find };
      const { files } = readProvider(
        'toy.yaml',
        JSON.stringify({ ...plain, submit: submit('=key'), ...members }),
      );
      return findVersionOf(required(files[0], 'the file'), url, [secret]);
    };
    const same = version({});
    expect(same).toMatch(/^[0-9a-f]{32}$/);
    const limits = { ...PLAIN.limits, in_flight: 3 };
    expect([version({}), version({ title: 'Another' }), version({ limits })]).toEqual([same, same, same]);
    const others = [
      version({ submit: submit('=$string(key)') }),
      version({ find: { by_key: { path: '/jobs/by/{key}' } } }),
      version({ headers: { 'x-version': '2' } }),
      version({}, 'https://other.example/v1'),
      version({}, 'https://toy.example/v1', 'b'),
    ];
    expect(new Set([same, ...others]).size).toBe(others.length + 1);
    const { provider } = await toy({ find, submit: submit('=key') }, () => ({}));
    expect(provider.findVersion).toMatch(/^[0-9a-f]{32}$/);
    expect((await toy({}, () => ({}))).provider.findVersion).toBeUndefined();
  });
});

describe('cancel', () => {
  const cancel = { method: 'DELETE', path: '/jobs/{id}', stops: 'queued' };
  const cancelled = async (state: string, status = 200, change = {}) => {
    const { provider, requests } = await toy({ cancel: { ...cancel, ...change } }, ({ method }, response) => {
      if (method === 'DELETE') response.statusCode = status;
      return method === 'DELETE' ? {} : { state };
    });
    const outcome = await provider.cancel?.(handle('7'), soon());
    return { outcome, deleted: requests.some(({ method }) => method === 'DELETE') };
  };

  it.each([
    ['waiting', {}, 200, 'cancelled', true],
    ['waiting', { pending: true }, 200, 'pending', true],
    ['working', {}, 200, 'too_late', false],
    ['working', { stops: 'any' }, 200, 'cancelled', true],
    ['done', { stops: 'any' }, 200, 'too_late', false],
    ['waiting', {}, 404, 'too_late', true],
  ] as const)(
    'of a job that is %s (%j), answered with %i, is %s',
    async (state, change, status, outcome, deleted) => {
      expect(await cancelled(state, status, change)).toEqual({ outcome, deleted });
    },
  );
});

describe('a callback that is signed', () => {
  const callback = {
    verify: {
      kind: 'hmac',
      header: 'X-Signature',
      secret: 'hook',
      prefix: 'sha256=',
      signed: "=$headers.'x-time' & '.' & $raw",
    },
    id: '=task.id',
  };
  const credentials = { ...PLAIN.credentials, hook: { env: 'TOY_HOOK' } };
  const rawBody = Buffer.from('{"task":{"id":17}}');
  const signature = (key: string) =>
    `sha256=${createHmac('sha256', key).update(`5.${rawBody}`).digest('hex')}`;
  const verified = async (given: string | undefined) => {
    const { provider } = await toy({ callback, credentials }, () => ({}), { TOY_HOOK: 'hush' });
    return provider.verifyCallback?.({
      headers: { 'x-time': '5', 'x-signature': given },
      rawBody,
      query: {},
    });
  };

  it('names its job, if the signature is right', async () => {
    expect(await verified(signature('hush'))).toEqual(['17']);
    expect(await verified(`v0=x, ${signature('hush')}`)).toEqual(['17']);
  });

  it('may be signed with the path of the address that submissions name', async () => {
    const verify = { ...callback.verify, signed: "='POST ' & $path" };
    const { provider } = await toy({ callback: { ...callback, verify }, credentials }, () => ({}), {
      TOY_HOOK: 'hush',
    });
    const digest = createHmac('sha256', 'hush').update('POST /callbacks/toy').digest('hex');
    const headers = { 'x-signature': `sha256=${digest}` };
    expect(await provider.verifyCallback?.({ headers, rawBody, query: {} })).toEqual(['17']);
  });

  it('is checked in turn with others, without headers that are longer than any that services sign', async () => {
    const verify = { ...callback.verify, signed: "=($exists($headers.'x-long') ? 'long' : 'short') & $raw" };
    const { provider } = await toy({ callback: { ...callback, verify }, credentials }, () => ({}), {
      TOY_HOOK: 'hush',
    });
    const digest = createHmac('sha256', 'hush').update(`short${rawBody}`).digest('hex');
    const received = {
      headers: { 'x-signature': `sha256=${digest}`, 'x-long': ';'.repeat(2049) },
      rawBody,
      query: {},
    };
    const checks = Array.from({ length: 150 }, async () => provider.verifyCallback?.(received));
    const outcomes = await Promise.allSettled(checks);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(30);
    expect(refused).toContainEqual({ status: 'rejected', reason: expect.any(TooManyCallbacks) });
    expect(outcomes[0]).toEqual({ status: 'fulfilled', value: ['17'] });
    expect(await provider.verifyCallback?.(received)).toEqual(['17']);
  });

  it.each([undefined, '', signature('other')])('is refused with %j', async (given) => {
    await expect(verified(given)).rejects.toThrow(UpstreamError);
  });
});
