import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';

let t: TestGateway;
let document: Json;
beforeAll(async () => {
  t = await startTestGateway();
  document = await (await fetch(`${t.gateway.address}/openapi.json`)).json();
});
afterAll(() => t.end());

it('is a valid OpenAPI 3.1 document', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  expect(document.openapi).toMatch(/^3\.1/);
});

it('has a page that works without internet access', async () => {
  const at = `${t.gateway.address}/docs`;
  const moved = await fetch(at, { redirect: 'manual' });
  expect([moved.status, moved.headers.get('location')]).toEqual([301, '/docs/']);
  const page = await fetch(`${at}/`);
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const html = await page.text();
  expect(html).toContain('/openapi.json');
  expect([...html.matchAll(/src="([^"]*)"/g)].map(([, source]) => source)).toEqual(['js/scalar.js']);
  const script = await fetch(`${at}/js/scalar.js`);
  expect([script.status, script.headers.get('content-type')]).toEqual([
    200,
    'application/javascript; charset=utf-8',
  ]);
  expect(await script.text()).toContain('createApiReference');
});

it('describes the whole contract', () => {
  const operations = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(operations).toEqual(
    expect.arrayContaining([
      'POST /v1/video/generations',
      'GET /v1/video/generations',
      'GET /v1/video/generations/{task_id}',
      'DELETE /v1/video/generations/{task_id}',
      'POST /v1/video/generations/{task_id}/cancel',
      'GET /v1/video/generations/{task_id}/content',
      'GET /v1/video/generations/{task_id}/events',
      'GET /v1/events',
      'GET /v1/video/generations/download',
      'GET /v1/models',
      'GET /v1/models/{id}',
      'GET /healthz',
      'GET /readyz',
    ]),
  );
});

it('every operation has an id of its own and describes its responses', () => {
  const operations = Object.values<Json>(document.paths).flatMap((methods) => Object.values<Json>(methods));
  const ids = operations.map((operation) => operation.operationId).filter(Boolean);
  expect(new Set(ids).size).toBe(ids.length);
  for (const operation of operations) {
    expect(operation.summary).toBeTruthy();
    expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
  }
});

it('describes the responses other than JSON, and the errors that any call may get', () => {
  const answers = (path: string, method = 'get') => document.paths[path][method].responses;
  const task = '/v1/video/generations/{task_id}';
  for (const path of [`${task}/events`, '/v1/events'])
    expect(Object.keys(answers(path)['200'].content)).toEqual(['text/event-stream']);
  for (const path of [`${task}/content`, '/media/{file}', '/v1/video/generations/download']) {
    expect(Object.keys(answers(path))).toEqual(expect.arrayContaining(['200', '206', '304', '412', '416']));
    expect(Object.keys(answers(path)['206'].content)).toContain('video/mp4');
    expect(answers(path)['206'].headers).toHaveProperty('Content-Range');
    expect(answers(path)['304']).not.toHaveProperty('content');
    expect(answers(path)['416'].headers).toHaveProperty('Content-Range');
  }
  expect(Object.keys(answers('/v1/video/generations', 'post'))).toEqual(
    expect.arrayContaining(['400', '401', '403', '413', '415', '422', '429', '431', '500', '503']),
  );
  for (const methods of Object.values<Json>(document.paths)) {
    for (const { responses } of Object.values<Json>(methods)) {
      expect(responses['503'].headers).toHaveProperty('Retry-After');
      for (const answer of Object.values<Json>(responses))
        expect(answer.headers).toHaveProperty('X-Request-Id');
    }
  }
});

it('has samples in curl, Python and JavaScript for the main calls', () => {
  for (const [path, method] of [
    ['/v1/video/generations', 'post'],
    ['/v1/video/generations/{task_id}', 'get'],
    ['/v1/video/generations/{task_id}/content', 'get'],
  ] as const) {
    const samples = document.paths[path][method]['x-codeSamples'];
    expect(samples.map((sample: Json) => sample.lang)).toEqual(['Shell', 'Python', 'JavaScript']);
  }
});

it('serves the reference page, which loads nothing from other hosts', async () => {
  const page = await fetch(`${t.gateway.address}/docs/`);
  expect(page.status).toBe(200);
  const html = await page.text();
  expect(html).toContain('Onetake API');
  expect([...html.matchAll(/(?:src|href)="(https?:[^"]+)"/g)].map(([, url]) => url)).toEqual([]);
});
