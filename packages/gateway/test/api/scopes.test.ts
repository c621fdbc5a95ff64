import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/api/context.ts';
import { type RouteScope, requireDeclaredScopes } from '../../src/api/scopes.ts';
import { SCOPES, type Scope } from '../../src/store/projects.ts';
import { type Json, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';

let t: TestGateway;
const keys = new Map<Scope, string>();
beforeAll(async () => {
  t = await startTestGateway();
  for (const scope of SCOPES) {
    const { body } = await t.json('/v1/admin/keys', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: scope, scopes: [scope] }),
    });
    keys.set(scope, body.key);
  }
});
afterAll(() => t.end());

/** What a key with only this scope may use. */
const MAY: Readonly<Record<Scope, readonly RouteScope[]>> = {
  generate: ['generate', 'read', 'any'],
  read: ['read', 'any'],
  admin: ['admin', 'any'],
  billing: ['billing', 'any'],
};

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly scope: RouteScope;
}

/** Every operation of the OpenAPI document, and the scope that it says. */
async function operations(): Promise<Operation[]> {
  const { body } = await t.json('/openapi.json', { key: null });
  return Object.entries<Json>(body.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, { security }]) => ({
      method: method.toUpperCase(),
      path: path.replaceAll(/\{[^}]+\}/g, 'none'),
      scope: security.length === 0 ? 'public' : (security[0].key[0] ?? 'any'),
    })),
  );
}

describe('the scopes of a key', () => {
  it('open exactly the routes whose scope the OpenAPI document names, and those without a scope', async () => {
    const all = (await operations()).filter(({ scope }) => scope !== 'public');
    expect(all.length).toBeGreaterThan(30);
    for (const [scope, key] of keys)
      for (const { method, path, scope: needed } of all) {
        const { status, body } = await t.call(path, { method, key });
        await body?.cancel();
        // Which of the others it is says nothing about scopes.
        const row = `${method} ${path} (${needed}) with ${scope}`;
        const opens = MAY[scope].includes(needed);
        expect([row, opens ? status !== 401 && status !== 403 : status]).toEqual([row, opens ? true : 403]);
      }
  });

  it('are needed before anything of the request is looked at, on all routes with a path of the API', async () => {
    for (const { method, path, scope } of await operations()) {
      if (scope === 'public') continue;
      const { status, body } = await t.call(path, { method, key: null });
      await body?.cancel();
      expect([method, path, status]).toEqual([method, path, 401]);
    }
  });

  it('hold for queries that are answered ahead of the router', async () => {
    const { task_id: id } = await t.finished();
    const query = async (scope: Scope) =>
      (await t.call(`/v1/video/generations/${id}`, { key: keys.get(scope) ?? '' })).status;
    // The first answers make key and task known.
    for (let time = 0; time < 3; time++) {
      const answers = await Promise.all(SCOPES.map(query));
      expect(answers).toEqual([200, 200, 403, 403]);
    }
  });

  it('hold for agents: the endpoint needs `read`, and a tool that makes a video `generate`', async () => {
    const call = (scope: Scope, name: string, given: object) =>
      t.call('/mcp', {
        method: 'POST',
        key: keys.get(scope) ?? '',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name, arguments: given },
        }),
      });
    for (const scope of ['admin', 'billing'] as const)
      expect((await call(scope, 'list_models', {})).status).toBe(403);
    const refused = await call('read', 'generate_video', { ...QUICK });
    expect(await refused.text()).toContain('lacks the scope');
    expect(await (await call('read', 'list_models', {})).text()).toContain(QUICK.model);
  });

  it('are named by the 403', async () => {
    const { status, body } = await t.submit(QUICK, { key: keys.get('read') ?? '' });
    expect([status, body.error.reason]).toEqual([403, 'forbidden']);
    expect(body.error.message).toBe(
      'This API key lacks the scope "generate" (it has: read); use a key that has "generate".',
    );
  });
});

describe('a route', () => {
  const register = (url: string, scope?: RouteScope) => {
    const app = fastify() as unknown as App;
    requireDeclaredScopes(app);
    return () => app.get(url, { config: scope === undefined ? {} : { scope } }, async () => 'ok');
  };

  it.each<[string, RouteScope | undefined, RegExp]>([
    ['/v1/new', undefined, /GET \/v1\/new does not declare the scope that it needs/],
    ['/new', undefined, /does not declare/],
    ['/v1/new', 'public', /declares "public", which its path contradicts/],
    ['/new', 'read', /declares "read", which its path contradicts/],
  ])('%s with the scope %j is not registered', (url, scope, message) => {
    expect(register(url, scope)).toThrow(message);
  });

  it('with a scope that its path allows is registered', () => {
    for (const [url, scope] of [
      ['/v1/new', 'read'],
      ['/v1/new', 'any'],
      ['/mcp', 'read'],
      ['/new', 'public'],
    ] as const)
      expect(register(url, scope)).not.toThrow();
  });
});
