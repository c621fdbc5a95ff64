import Ajv from 'ajv';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';
import schemas from './schemas.json' with { type: 'json' };

const ajv = new Ajv.default({ allErrors: true });
ajv.addSchema(schemas, 'openai');

function expectValid(name: string, value: unknown): void {
  const valid = ajv.validate(`openai#/definitions/${name}`, value);
  expect({ name, value, errors: valid ? null : ajv.errors }).toEqual({ name, value, errors: null });
}

/** The schema of a successful answer. */
function schemaOf(method: string, path: string): string | undefined {
  if (path.endsWith('/content')) return undefined;
  if (path.includes('/characters')) return 'VideoCharacterResource';
  if (method === 'DELETE') return 'DeletedVideoResource';
  return method === 'GET' && path === '/v1/videos' ? 'VideoListResource' : 'VideoResource';
}

let simulators: Simulators;
let client: OpenAI;
let answers: { name: string; status: number }[];
let jsonRequests: { path: string; body: unknown }[];

/** Checks every answer on its way to the SDK. */
const checkedFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const { pathname } = new URL(String(input));
  const method = init?.method?.toUpperCase() ?? 'GET';
  if (typeof init?.body === 'string') jsonRequests.push({ path: pathname, body: JSON.parse(init.body) });
  const name = response.ok ? schemaOf(method, pathname) : 'ErrorResponse';
  if (name === undefined) return response;
  answers.push({ name, status: response.status });
  expectValid(name, await response.clone().json());
  return response;
};

beforeEach(async () => {
  answers = [];
  jsonRequests = [];
  simulators = await startSimulators({ only: ['openai'] });
  client = new OpenAI({
    baseURL: simulators.environment.OPENAI_BASE_URL,
    apiKey: simulators.environment.OPENAI_API_KEY,
    fetch: checkedFetch,
    maxRetries: 0,
  });
});
afterEach(() => simulators.close());

describe('the answer of the OpenAI simulator', () => {
  it('matches OpenAI’s description in every state of a job', async () => {
    const job = await client.videos.create({ prompt: 'a boat', model: 'sora-2-pro', size: '1792x1024' });
    simulators.advance(6_000);
    const states = [job.status];
    for (let i = 0; i < 40 && states.at(-1) !== 'completed'; i++) {
      simulators.advance(20_000);
      states.push((await client.videos.retrieve(job.id)).status);
    }
    expect(new Set(states)).toEqual(new Set(['queued', 'in_progress', 'completed']));
    for (const marker of ['[fail]', '[moderation]', '[invalid]', '[filtered]']) {
      const { id } = await client.videos.create({ prompt: `a boat ${marker}` });
      simulators.finishAll();
      expect((await client.videos.retrieve(id)).status).toBe('failed');
    }
    await client.videos.list({ limit: 0 });
    await client.videos.list();
    await client.videos.delete(job.id);
  });

  it('matches it for remixes (as does their JSON request), edits, extensions and characters', async () => {
    const source = await client.videos.create({ prompt: 'a boat' });
    simulators.finishAll();
    await client.videos.remix(source.id, { prompt: 'at night' });
    await client.videos.edit({ prompt: 'in snow', video: { id: source.id } });
    await client.videos.extend({ prompt: 'on', seconds: '8', video: { id: source.id } });
    const character = await client.videos.createCharacter({
      name: 'Mossy',
      video: new File([new Uint8Array([0])], 'mossy.mp4', { type: 'video/mp4' }),
    });
    expect(await client.videos.getCharacter(character.id ?? '')).toEqual(character);
    expect(jsonRequests).toHaveLength(1);
    for (const { body } of jsonRequests) expectValid('CreateVideoRemixBody', body);
  });

  it('matches it for every refusal', async () => {
    const refusals = [
      () => client.videos.create({ prompt: '' }),
      () => client.videos.create({ prompt: 'a boat', model: 'sora-9' }),
      () => client.videos.create({ prompt: 'a boat', size: '1792x1024' }),
      () => client.videos.create({ prompt: 'a boat [moderation-input]' }),
      () => client.videos.retrieve('video_unknown'),
      () => client.videos.downloadContent('video_unknown'),
      () => client.withOptions({ apiKey: 'sk-wrong' }).videos.list(),
      () => client.get('/nowhere'),
    ];
    for (const refused of refusals) await expect(refused()).rejects.toBeInstanceOf(OpenAI.APIError);
    for (const kind of ['rate_limited', 'server_error'] as const) {
      simulators.faults.add({ kind, count: 1 });
      await expect(client.videos.list()).rejects.toBeInstanceOf(OpenAI.APIError);
    }
    expect(answers.map(({ status }) => status)).toEqual([400, 404, 400, 400, 404, 404, 401, 404, 429, 503]);
  });
});

describe('a JSON create', () => {
  const post = async (body: unknown) => {
    const response = await fetch(`${simulators.environment.OPENAI_BASE_URL}/videos`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${simulators.keys.openai}`,
        'content-type': 'application/json',
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  it('is accepted like multipart', async () => {
    const request = {
      prompt: 'a boat',
      seconds: '8',
      input_reference: { image_url: 'https://a.example/b.png' },
    };
    expectValid('CreateVideoJsonBody', request);
    const { status, body } = await post(request);
    expect([status, body.seconds]).toEqual([200, '8']);
    expectValid('VideoResource', body);
  });

  it('is refused with the messages that were observed', async () => {
    expect(await post({ prompt: 'a boat', seconds: 8 })).toMatchObject({
      status: 400,
      body: {
        error: {
          param: 'seconds',
          message:
            "Invalid type for 'seconds': expected one of '4', '8', '12', '16', or '20', but got an integer instead.",
        },
      },
    });
    expect(await post({ prompt: 'a boat', seconds: '5' })).toMatchObject({
      body: {
        error: {
          code: 'invalid_value',
          message: "Invalid value: '5'. Supported values are: '4', '8', '12', '16', and '20'.",
        },
      },
    });
    const longest = 20_971_520;
    const image_url = `data:image/png;base64,${'A'.repeat(longest)}`;
    expect(await post({ prompt: 'a boat', input_reference: { image_url } })).toMatchObject({
      status: 400,
      body: { error: { param: 'input_reference.image_url', code: 'string_above_max_length' } },
    });
    for (const body of ['{"prompt":', { prompt: 'a boat', duration: 5 }, { prompt: 7 }]) {
      const refused = await post(body);
      expect(refused.status).toBe(400);
      expectValid('ErrorResponse', refused.body);
    }
  });
});
