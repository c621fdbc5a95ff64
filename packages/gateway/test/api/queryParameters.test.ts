import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';

let t: TestGateway;
let document: Json;
beforeAll(async () => {
  t = await startTestGateway();
  document = (await t.json('/openapi.json')).body;
});
afterAll(() => t.end());

/** Whose query the provider, a service that passes a link on, or a probe chooses. */
const FREE = ['/callbacks/{account}', '/media/{file}', '/healthz', '/readyz'];

/** Every call of the document and its query parameters; and calls that are not in it. */
function calls() {
  const documented = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, { parameters = [] }]) => ({
      method: method.toUpperCase(),
      path,
      takes: parameters.filter((one: Json) => one.in === 'query').map((one: Json) => one.name as string),
    })),
  );
  const hidden = ['/metrics', '/openapi.json', '/v1/videos/characters/x'];
  return [...documented, ...hidden.map((path) => ({ method: 'GET', path, takes: [] }))];
}

const send = async (method: string, path: string, query: string) => {
  const response = await fetch(`${t.gateway.address}${path.replaceAll(/\{\w+\}/g, 'x')}?${query}`, {
    method,
    headers: { authorization: `Bearer ${KEY}` },
  });
  return { status: response.status, text: await response.text() };
};

it.each([
  ['?wat=3', 'wat=3', 'wat'],
  ['?__proto__=x, encoded', '%5F_proto__=x', '__proto__'],
  ['?constructor=x', 'constructor=x', 'constructor'],
])('every call refuses %s with what it takes instead', async (_, query, name) => {
  expect(calls().length).toBeGreaterThan(25);
  for (const { method, path, takes } of calls()) {
    const { status, text } = await send(method, path, query);
    const call = `${method} ${path}`;
    if (FREE.includes(path)) {
      expect([call, text.includes('query parameter')]).toEqual([call, false]);
      continue;
    }
    expect([call, status]).toEqual([call, 400]);
    const { message, param } = JSON.parse(text).error;
    expect([call, param]).toEqual([call, name]);
    expect(message).toContain(`"${name}" is not a query parameter of this call; it takes `);
    for (const known of takes) expect([call, message]).toEqual([call, expect.stringContaining(known)]);
    if (takes.length === 0) expect([call, message]).toEqual([call, expect.stringMatching(/ none\.$/)]);
  }
});

describe('of query parameters', () => {
  it('all that are unknown are named', async () => {
    const { text } = await send('GET', '/v1/events', 'a=1&model=x&b=2');
    expect(JSON.parse(text).error.message).toBe(
      '"a" and "b" are not query parameters of this call; it takes type, model and metadata[name].',
    );
  });

  it('a wrong key and a path without a route are told first', async () => {
    expect((await fetch(`${t.gateway.address}/v1/models?wat=3`)).status).toBe(401);
    expect((await send('GET', '/v1/nothing', 'wat=3')).status).toBe(404);
    expect((await send('PUT', '/v1/models', 'wat=3')).status).toBe(405);
    expect((await send('OPTIONS', '/v1/models', 'wat=3')).status).toBe(204);
    expect((await send('GET', '/docs/', 'wat=3')).status).toBe(200);
  });

  it.each([
    ['/v1/video/generations?limit=', 'limit'],
    ['/v1/videos?limit=', 'limit'],
    ['/v1/videos?limit=1e1', 'limit'],
    ['/v1/video/generations/x?wait=', 'wait'],
    ['/v1/video/generations/x?wait_for=change&wait=0', 'wait_for'],
  ])('%s is refused instead of read as 0', async (path, param) => {
    const { status, body } = await t.json(path);
    expect([status, body.error.param]).toEqual([400, param]);
  });
});

it.each(['__proto__[x]', 'constructor', 'toString[x]', 'duration'])(
  'an unknown field %s of a form is named as the caller wrote it',
  async (field) => {
    const form = new FormData();
    form.set('prompt', 'a paper boat');
    form.set(field, '1');
    const headers = { authorization: `Bearer ${KEY}` };
    const answer = await fetch(`${t.gateway.address}/v1/videos`, { method: 'POST', body: form, headers });
    expect(((await answer.json()) as Json).error.param).toBe(field.replace('[x]', ''));
  },
);
