import { once } from 'node:events';
import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { sending } from '../../support/sending.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { aJob, openAccount, signal } from './world.ts';

/** A request as a server reads it. */
interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  /** The fields of a form: text by name, and files unchanged. */
  readonly form: Record<string, string | File> | undefined;
  readonly json: unknown;
}

/** An upstream that accepts every job and records what was sent. */
async function recording() {
  const received: Received[] = [];
  const server = await serve(async (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(request, 'end');
    const headers = new Headers(
      Object.entries(request.headersDistinct).flatMap(([name, values = []]) =>
        values.map((value): [string, string] => [name, value]),
      ),
    );
    const body = new Response(Buffer.concat(chunks), { headers });
    const isForm = headers.get('content-type')?.startsWith('multipart/') ?? false;
    received.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers,
      form: isForm ? Object.fromEntries(await body.formData()) : undefined,
      json: isForm || chunks.length === 0 ? undefined : await body.json(),
    });
    response.setHeader('content-type', 'application/json');
    response.end('{"id":"video_1","object":"video","status":"queued"}');
  });
  const only = (): Received => {
    const [first, ...more] = received;
    if (!first || more.length > 0) throw new Error(`${received.length} requests came`);
    return first;
  };
  return { server, only, account: { base_url: `${server.origin}/v1`, api_key: 'sk-k1' } };
}

const source = { taskId: 'video_0', accountId: 'openai', upstreamId: 'video_src', ref: 'video_src' };

describe('what a job sends', () => {
  it('is a form with the model, the prompt, seconds as text and the pixels', async () => {
    const { only, account } = await recording();
    const provider = await openAccount(account);
    const job = aJob({ prompt: 'a paper boat', duration: 8, width: 720, height: 1280 });
    expect(await provider.submit(job, sending(signal()))).toEqual({ upstreamId: 'video_1', state: 'queued' });
    const { method, url, form, headers } = only();
    expect([method, url]).toEqual(['POST', '/v1/videos']);
    expect(form).toEqual({ model: 'sora-2', prompt: 'a paper boat', seconds: '8', size: '720x1280' });
    expect(headers.get('authorization')).toBe('Bearer sk-k1');
    expect(headers.get('idempotency-key')).toBe(job.idempotencyKey);
  });

  it('has the reference image as a file, byte for byte', async () => {
    const { only, account } = await recording();
    const provider = await openAccount(account);
    const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0xff, 0x00]);
    const image = { mediaId: 'm1', contentType: 'image/png', bytes: bytes.length, width: 1280, height: 720 };
    await provider.submit(
      aJob({ image }, { openInput: async () => Readable.from([bytes]) }),
      sending(signal()),
    );
    const file = only().form?.input_reference;
    if (!(file instanceof File)) throw new Error('no file came');
    expect([file.name, file.type]).toEqual(['reference.png', 'image/png']);
    expect(Buffer.from(await file.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it.each([
    ['LF', 'a boat\nat night'],
    ['CRLF', 'a boat\r\nat night'],
    ['CR', 'a boat\rat night'],
    ['all of them', '\na\r\n\rb\n\n"c"\r\n--onetake-1\r\n'],
  ])('has the prompt with its %s unchanged, also together with an image', async (_what, prompt) => {
    const bytes = Buffer.from('\r\n\n\r--');
    const image = { mediaId: 'm1', contentType: 'image/png', bytes: bytes.length, width: 1280, height: 720 };
    for (const request of [{ prompt }, { prompt, image }]) {
      const { only, account } = await recording();
      const provider = await openAccount(account);
      await provider.submit(aJob(request, { openInput: async () => Readable.from([bytes]) }), sending());
      expect(only().form?.prompt).toBe(prompt);
    }
  });

  it.each([{ json_create: true }, { flavour: 'sglang' as const }])(
    'is JSON for servers that take a form only with an image: %j',
    async (changes) => {
      const { only, account } = await recording();
      const provider = await openAccount({ ...account, ...changes });
      await provider.submit(aJob(), sending(signal()));
      expect(only().json).toMatchObject({ model: 'sora-2', prompt: 'a paper boat', seconds: '4' });
    },
  );

  it('has further parameters of a self-hosted server, if the catalogue allows them', async () => {
    const { only, account } = await recording();
    const provider = await openAccount(account);
    await provider.submit(aJob({ seed: 7, negativePrompt: 'rain' }), sending(signal()));
    expect(only().form).toMatchObject({ seed: '7', negative_prompt: 'rain' });
  });

  it('has raw options, but none that change the price', async () => {
    const { only, account } = await recording();
    const provider = await openAccount(account);
    await provider.submit(aJob({ providerOptions: { fps: 16 } }), sending(signal()));
    expect(only().form).toMatchObject({ model: 'sora-2', seconds: '4', size: '1280x720', fps: '16' });
    const refused = {
      model: 'sora-2-pro',
      seconds: '20',
      size: '1792x1024',
      input_reference: 'x',
      video: 'y',
    };
    const { request } = aJob({ providerOptions: { ...refused, fps: 16 } });
    expect(provider.refusedOptions(request, 'sora-2')).toEqual(Object.keys(refused));
  });

  it.each([
    [undefined, { operation: 'edit' }, ['operation']],
    [source, { operation: 'melt' }, ['operation']],
    [source, { operation: 'edit', prompt: 'p', seconds: '4' }, ['prompt', 'seconds']],
    [source, { operation: 'extend' }, []],
  ])('from the source %o refuses of the options %j: %j', async (given, providerOptions, refused) => {
    const provider = await openAccount((await recording()).account);
    const { request } = aJob({ providerOptions, ...(given ? { source: given } : {}) });
    expect(provider.refusedOptions(request, 'sora-2')).toEqual(refused);
  });

  it.each([
    [undefined, '/v1/videos/video_src/remix', { prompt: 'now at night' }],
    ['remix', '/v1/videos/video_src/remix', { prompt: 'now at night' }],
    ['edit', '/v1/videos/edits', { prompt: 'now at night', 'video[id]': 'video_src' }],
    ['extend', '/v1/videos/extensions', { prompt: 'now at night', seconds: '8', 'video[id]': 'video_src' }],
  ])('from an earlier video (operation %s) goes to %s', async (operation, path, body) => {
    const { only, account } = await recording();
    const provider = await openAccount(account);
    const request = { prompt: 'now at night', duration: 8, source };
    const options = operation === undefined ? {} : { providerOptions: { operation } };
    await provider.submit(aJob({ ...request, ...options }), sending(signal()));
    const { url, json, form } = only();
    expect(url).toBe(path);
    expect(json ?? form).toEqual(body);
  });

  it.each([
    ['an operation that there is not', { source, providerOptions: { operation: 'melt' } }],
    ['an operation without a video', { providerOptions: { operation: 'extend' } }],
  ])('is nothing for %s', async (_what, request) => {
    const { server, account } = await recording();
    const provider = await openAccount(account);
    await expect(provider.submit(aJob(request), sending(signal()))).rejects.toMatchObject({
      reason: 'invalid_request',
      created: 'no',
    });
    expect(server.requests).toEqual([]);
  });

  it('is nothing if an input cannot be read', async () => {
    const { server, account } = await recording();
    const provider = await openAccount(account);
    const image = { mediaId: 'm1', contentType: 'image/png', bytes: 8, width: 1280, height: 720 };
    await expect(provider.submit(aJob({ image }), sending(signal()))).rejects.toMatchObject({
      created: 'no',
    });
    expect(server.requests).toEqual([]);
  });
});

describe('credentials', () => {
  it('are in the header of each service', async () => {
    const { only, account } = await recording();
    await (await openAccount({ ...account, flavour: 'azure' })).submit(aJob(), sending(signal()));
    const { headers } = only();
    expect([headers.get('api-key'), headers.get('authorization')]).toEqual(['sk-k1', null]);
  });

  it('name organization and project of the account, and never those of the environment', async () => {
    const surroundings = {
      OPENAI_ORG_ID: 'org-other',
      OPENAI_PROJECT_ID: 'proj_other',
      OPENAI_CUSTOM_HEADERS: 'x-secret: other',
      OPENAI_ADMIN_KEY: 'sk-admin-other',
    };
    for (const [name, value] of Object.entries(surroundings)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const one = await recording();
    await (await openAccount(one.account)).submit(aJob(), sending(signal()));
    expect(JSON.stringify([...one.only().headers])).not.toContain('other');
    const two = await recording();
    const account = { ...two.account, organization: 'org-mine', project: 'proj_mine' };
    await (await openAccount(account)).submit(aJob(), sending(signal()));
    const { headers } = two.only();
    expect([headers.get('openai-organization'), headers.get('openai-project')]).toEqual([
      'org-mine',
      'proj_mine',
    ]);
  });

  it('are not needed by a server that asks for none', async () => {
    const { only, account } = await recording();
    await (await openAccount({ base_url: account.base_url })).submit(aJob(), sending(signal()));
    expect(only().headers.get('authorization')).toBeNull();
  });
});
