import { describe, expect, it, onTestFinished } from 'vitest';
import { KEY, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';

const APP = 'https://app.example.com';
const PATH = '/v1/video/generations';

async function gateway(origins: string): Promise<TestGateway> {
  const t = await startTestGateway({ ONETAKE_CORS_ORIGINS: origins });
  onTestFinished(() => t.end());
  return t;
}

/** The headers of an answer that let a page read it, and its status. */
async function seen(t: TestGateway, path: string, origin: string | undefined, init: RequestInit = {}) {
  const { status, headers } = await fetch(t.gateway.address + path, {
    ...init,
    headers: { ...(origin === undefined ? {} : { origin }), ...init.headers },
  });
  const cors = [...headers].filter(([name]) => name.startsWith('access-control-'));
  return { status, vary: headers.get('vary'), headers, cors: Object.fromEntries(cors) };
}

const PREFLIGHT = {
  method: 'OPTIONS',
  headers: {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,idempotency-key',
  },
} satisfies RequestInit;

describe('a page of an origin that is listed', () => {
  it('may send every call, after a preflight without a key', async () => {
    const t = await gateway(`${APP}, http://localhost:5173`);
    for (const origin of [APP, 'http://localhost:5173']) {
      const { status, cors, vary } = await seen(t, PATH, origin, PREFLIGHT);
      expect(status).toBe(204);
      expect(cors).toEqual({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET, HEAD, POST, PATCH, DELETE',
        'access-control-allow-headers': 'authorization,content-type,idempotency-key',
        'access-control-expose-headers': expect.stringContaining('Retry-After'),
        'access-control-max-age': '7200',
      });
      expect(vary).toMatch(/origin/i);
    }
  });

  it('may read answers and errors of every kind', async () => {
    const t = await gateway(APP);
    const task = await t.finished(QUICK);
    const authorization = `Bearer ${KEY}`;
    const readable = async (path: string, expected: number, init: RequestInit = {}) => {
      const { status, cors, vary } = await seen(t, path, APP, init);
      expect([path, status, cors['access-control-allow-origin']]).toEqual([path, expected, APP]);
      expect(vary).toMatch(/origin/i);
    };
    await readable(`${PATH}/${task.task_id}`, 200, { headers: { authorization } });
    await readable(`${PATH}/${task.task_id}/content`, 200, { headers: { authorization } });
    await readable('/v1/events?type=video.failed', 200, {
      headers: { authorization },
      signal: AbortSignal.timeout(10_000),
    });
    await readable(PATH, 401, { method: 'POST' });
    await readable(`${PATH}?colour=red`, 400, { headers: { authorization } });
    await readable('/v1/%zz', 400);
    await readable(`/v1/models/${'x'.repeat(300)}`, 404);
    await readable('/v1/nothing', 404, { headers: { authorization } });
    await readable('/v1/models', 405, { method: 'PUT', headers: { authorization } });
    const link = new URL(task.url);
    const { status, cors } = await seen(t, link.pathname + link.search, APP, {
      headers: { range: 'bytes=0-9' },
    });
    expect([status, cors['access-control-allow-origin']]).toEqual([206, '*']);
    expect(cors['access-control-expose-headers']).toContain('Content-Range');
  });

  it('may use /mcp', async () => {
    const t = await gateway(APP);
    const call = (origin: string) =>
      seen(t, '/mcp', origin, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${KEY}`,
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      });
    expect((await call(APP)).status).not.toBe(403);
    expect((await call('https://other.example.com')).status).toBe(403);
  });
});

it.each([
  ['another origin', APP, 'https://other.example.com'],
  ['another port', APP, `${APP}:8443`],
  ['an origin that ends alike', APP, 'https://evil-app.example.com'],
  ['no setting', '', APP],
  ['no origin', APP, undefined],
])('nothing is allowed with %s', async (_what, origins, origin) => {
  const t = await gateway(origins);
  const preflight = await seen(t, PATH, origin, PREFLIGHT);
  expect([preflight.status, preflight.headers.get('allow'), preflight.cors]).toEqual([
    204,
    'GET, HEAD, OPTIONS, POST',
    {},
  ]);
  const { status, cors } = await seen(t, '/v1/models', origin, {
    headers: { authorization: `Bearer ${KEY}` },
  });
  expect([status, cors]).toEqual([200, {}]);
});

it('* allows every origin', async () => {
  const t = await gateway('*');
  const { cors } = await seen(t, PATH, 'https://any.example.com', PREFLIGHT);
  expect(cors['access-control-allow-origin']).toBe('https://any.example.com');
});

it('an application in a web view has an origin with a scheme of its own', async () => {
  const t = await gateway('capacitor://localhost');
  const { cors } = await seen(t, PATH, 'capacitor://localhost', PREFLIGHT);
  expect(cors['access-control-allow-origin']).toBe('capacitor://localhost');
});

it.each([
  'app.example.com',
  'https://app.example.com/',
  'https://app.example.com/path',
  'https://*.example.com',
])('the setting "%s" is refused', async (origin) => {
  await expect(startTestGateway({ ONETAKE_CORS_ORIGINS: origin })).rejects.toThrow(
    /ONETAKE_CORS_ORIGINS: must be origins such as https:\/\/app\.example\.com, without a path/,
  );
});
