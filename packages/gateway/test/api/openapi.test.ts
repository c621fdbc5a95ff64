import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../support/gateway.ts';

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
      'GET /v1/video/generations/download',
      'GET /v1/models',
      'GET /v1/models/{id}',
      'GET /healthz',
      'GET /readyz',
    ]),
  );
});

it('every operation says what it answers, and has an id of its own', () => {
  const operations = Object.values<Json>(document.paths).flatMap((methods) => Object.values<Json>(methods));
  const ids = operations.map((operation) => operation.operationId).filter(Boolean);
  expect(new Set(ids).size).toBe(ids.length);
  for (const operation of operations) {
    expect(operation.summary).toBeTruthy();
    expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true);
  }
});

it('shows curl, Python and JavaScript for the main calls', () => {
  for (const [path, method] of [
    ['/v1/video/generations', 'post'],
    ['/v1/video/generations/{task_id}', 'get'],
    ['/v1/video/generations/{task_id}/content', 'get'],
  ] as const) {
    const samples = document.paths[path][method]['x-codeSamples'];
    expect(samples.map((sample: Json) => sample.lang)).toEqual(['Shell', 'Python', 'JavaScript']);
  }
});

it('serves the reference page, with nothing fetched from other hosts', async () => {
  const page = await fetch(`${t.gateway.address}/docs/`);
  expect(page.status).toBe(200);
  const html = await page.text();
  expect(html).toContain('Onetake API');
  expect([...html.matchAll(/(?:src|href)="(https?:[^"]+)"/g)].map(([, url]) => url)).toEqual([]);
});
