import { readFileSync } from 'node:fs';
import { json } from 'node:stream/consumers';
import { VERSION } from '@ai-sdk/gateway';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { readAll } from '../../support/http/readAll.ts';
import { sending } from '../../support/sending.ts';
import { serve, type TestServer } from '../../support/servers/httpServer.ts';
import { anImage, handleOf, openAccount, soon, starting } from './world.ts';

const KEY = 'key-of-the-gateway';
const PAGE = new URL('../../../../../docs/providers/ai-sdk.md', import.meta.url);

/** The account of the page that names a package which is not built in. */
const [, yaml = ''] = /```yaml\n([^`]+)```/.exec(readFileSync(PAGE, 'utf8')) ?? [];
const { accounts, models } = parse(yaml);
const documented: Record<string, unknown> = accounts.elsewhere;
const MODEL: string = models[accounts.elsewhere.models[0]].upstreamModel;

type Told = Record<string, unknown>;
type Answers = (path: string, body: Told, origin: string) => Told | undefined;

/** A stand-in that speaks the wire of @ai-sdk/gateway (gateway-video-model.ts), and the requests that it got. */
async function standIn(answers: Answers): Promise<{ server: TestServer; bodies: Told[] }> {
  const bodies: Told[] = [];
  const server = await serve(async (request, response) => {
    if (request.method === 'GET') return response.end('the bytes of a video');
    const body = (await json(request)) as Told;
    bodies.push(body);
    const answer = answers(request.url ?? '', body, server.origin);
    response.writeHead(answer ? 200 : 401, { 'content-type': 'application/json' });
    return response.end(
      JSON.stringify(answer ?? { error: { type: 'authentication_error', message: 'Invalid API key' } }),
    );
  });
  return { server, bodies };
}

async function providerOf(origin: string) {
  const file = { elsewhere: { ...documented, base_url: `${origin}/v4/ai` } };
  const { provider } = await openAccount('elsewhere', { AI_GATEWAY_API_KEY: KEY }, { file });
  return provider;
}

const job = () => starting('xai', { upstreamModel: MODEL, image: anImage('first'), seed: 0 });

it('the package of the page makes a video', async () => {
  const states = [{ status: 'pending' }, { status: 'completed' }];
  const { server, bodies } = await standIn((path, _body, origin) =>
    path.endsWith('/start')
      ? { operation: { id: 'op-1' } }
      : {
          ...states.shift(),
          videos: [{ type: 'url', url: `${origin}/v.mp4`, mediaType: 'video/mp4' }],
          warnings: [],
        },
  );
  const provider = await providerOf(server.origin);
  const asked = job();
  const { upstreamId } = await provider.submit(asked, sending(soon()));
  expect(JSON.parse(upstreamId)).toMatchObject({
    package: '@ai-sdk/gateway',
    version: VERSION,
    modelId: MODEL,
    operation: { id: 'op-1' },
  });
  expect(bodies[0]).toMatchObject({
    prompt: 'a paper boat',
    n: 1,
    duration: 1,
    aspectRatio: '16:9',
    resolution: '854x480',
    seed: 0,
    image: { type: 'file', mediaType: 'image/png', data: Buffer.from('first').toString('base64') },
  });
  const [start] = server.requests;
  expect(start?.url).toBe('/v4/ai/video-model/start');
  expect(start?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'ai-model-id': MODEL });
  const handle = handleOf(asked, upstreamId);
  expect(await provider.poll(handle, soon())).toEqual({ state: 'in_progress' });
  const ended = await provider.poll(handle, soon());
  if (ended.state !== 'succeeded') throw new Error(ended.state);
  expect(bodies.slice(1)).toEqual([{ operation: { id: 'op-1' } }, { operation: { id: 'op-1' } }]);
  const { stream } = await provider.open(handle, ended.result, 0, soon());
  expect((await readAll(stream)).toString()).toBe('the bytes of a video');
  expect(server.requests.at(-1)?.headers).not.toHaveProperty('authorization');
});

it.each([
  [
    { status: 'error', error: 'The prompt was flagged as sensitive content' },
    { state: 'failed', reason: 'content_rejected' },
  ],
  [{ status: 'cancelled' }, { state: 'failed', reason: 'cancelled' }],
])('the package of the page reports that a job has failed: %j', async (told, answer) => {
  const { server } = await standIn((path) => (path.endsWith('/start') ? { operation: 'op-1' } : told));
  const provider = await providerOf(server.origin);
  const asked = job();
  const { upstreamId } = await provider.submit(asked, sending(soon()));
  expect(await provider.poll(handleOf(asked, upstreamId), soon())).toMatchObject(answer);
});

it('a wrong key for the package of the page creates nothing', async () => {
  const { server } = await standIn(() => undefined);
  const provider = await providerOf(server.origin);
  await expect(provider.submit(job(), sending(soon()))).rejects.toMatchObject({
    reason: 'auth_failed',
    created: 'no',
  });
  expect(server.requests).toHaveLength(1);
});
