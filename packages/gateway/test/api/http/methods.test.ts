import { METHODS } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorAnswer } from '../../../src/api/schemas.ts';
import { KEY, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { rawRequest } from '../../support/http/rawRequest.ts';

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway();
});
afterAll(() => t.end());

/** Every path, as a client writes it, and its methods besides OPTIONS. */
const PATHS: Readonly<Record<string, readonly string[]>> = {
  '/v1/video/generations': ['GET', 'HEAD', 'POST'],
  [`/v1/video/generations/video_${'0'.repeat(32)}`]: ['DELETE', 'GET', 'HEAD'],
  [`/v1/video/generations/video_${'0'.repeat(32)}/cancel`]: ['POST'],
  [`/v1/video/generations/video_${'0'.repeat(32)}/content`]: ['GET', 'HEAD'],
  [`/v1/video/generations/video_${'0'.repeat(32)}/events`]: ['GET', 'HEAD'],
  '/': ['GET', 'HEAD'],
  '/v1/video/generations/download?id=x': ['GET', 'HEAD'],
  '/v1/events': ['GET', 'HEAD'],
  '/v1/videos': ['GET', 'HEAD', 'POST'],
  [`/v1/videos/video_${'0'.repeat(32)}`]: ['DELETE', 'GET', 'HEAD'],
  [`/v1/videos/video_${'0'.repeat(32)}/content`]: ['GET', 'HEAD'],
  [`/v1/videos/video_${'0'.repeat(32)}/remix`]: ['POST'],
  '/v1/videos/edits': ['POST'],
  '/v1/videos/extensions': ['POST'],
  '/v1/files': ['GET', 'HEAD', 'POST'],
  [`/v1/files/file-${'0'.repeat(32)}`]: ['DELETE', 'GET', 'HEAD'],
  [`/v1/files/file-${'0'.repeat(32)}/content`]: ['GET', 'HEAD'],
  '/v1/models': ['GET', 'HEAD'],
  '/v1/models/onetake-preview': ['GET', 'HEAD'],
  '/v1/webhook_endpoints': ['GET', 'HEAD', 'POST'],
  '/v1/webhook_endpoints/whep_x': ['DELETE', 'GET', 'HEAD', 'PATCH'],
  '/v1/webhook_endpoints/whep_x/secret': ['GET', 'HEAD'],
  '/v1/webhook_endpoints/whep_x/rotate': ['POST'],
  '/v1/webhook_endpoints/whep_x/test': ['POST'],
  '/v1/webhook_secret': ['GET', 'HEAD'],
  '/v1/webhook_secret/rotate': ['POST'],
  '/v1/webhook_deliveries': ['GET', 'HEAD'],
  '/v1/webhook_deliveries/whd_x': ['GET', 'HEAD'],
  '/v1/webhook_deliveries/whd_x/redeliver': ['POST'],
  '/v1/admin/keys': ['GET', 'HEAD', 'POST'],
  '/v1/admin/keys/key_x': ['DELETE', 'PATCH'],
  '/v1/admin/keys/key_x/rotate': ['POST'],
  '/v1/admin/projects': ['GET', 'HEAD', 'POST'],
  '/v1/admin/projects/project_x': ['GET', 'HEAD', 'PATCH'],
  '/v1/admin/audit': ['GET', 'HEAD'],
  '/v1/video/generations/quote': ['POST'],
  '/callbacks/account': ['POST'],
  '/media/x.mp4': ['GET', 'HEAD'],
  '/healthz': ['GET', 'HEAD'],
  '/readyz': ['GET', 'HEAD'],
  '/metrics': ['GET', 'HEAD'],
  '/openapi.json': ['GET', 'HEAD'],
  '/docs': ['GET', 'HEAD'],
};

/** As raw bytes, because `fetch` sends neither TRACE nor most of the others. */
async function send(method: string, path: string, headers = '') {
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n${headers}`;
  const [answer, ...more] = await rawRequest(t.gateway.address, `${head}Connection: close\r\n\r\n`);
  expect(more).toEqual([]);
  if (!answer) throw new Error(`${method} ${path} was not answered`);
  return answer;
}

describe.each(Object.entries(PATHS))('%s', (path, methods) => {
  const allow = [...methods, 'OPTIONS'].sort().join(', ');

  it(`answers OPTIONS with its methods: ${allow}`, async () => {
    const { status, headers, body } = await send('OPTIONS', path);
    expect([status, headers.get('allow'), body]).toEqual([204, allow, '']);
  });

  it('refuses every other method with 405 and the allowed methods', async () => {
    for (const method of METHODS.filter((one) => one !== 'OPTIONS' && !methods.includes(one))) {
      const { status, headers, body } = await send(method, path, 'Content-Length: 0\r\n');
      expect([method, status]).toEqual([method, 405]);
      if (method === 'CONNECT') continue;
      expect(headers.get('allow')).toBe(allow);
      if (method === 'HEAD') expect(body).toBe('');
      else if (/^\/v1\/(?:videos|files)/.test(path))
        expect(JSON.parse(body).error.type).toBe('invalid_request_error');
      else expect(ErrorAnswer.parse(JSON.parse(body)).error.request_id).toBe(headers.get('x-request-id'));
    }
  });

  // The stream of events does not end.
  it.runIf(methods.includes('HEAD') && path !== '/v1/events')(
    'answers HEAD like GET, without the body',
    async () => {
      const [get, head] = [await send('GET', path), await send('HEAD', path)];
      expect([head.status, head.body]).toEqual([get.status, '']);
      expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
    },
  );
});

it('the list above has every path of the OpenAPI document and every registered path', async () => {
  const { body } = await t.json('/openapi.json');
  const known = Object.keys(PATHS).map((path) => path.replace(/\?.*/, ''));
  for (const [path, operations] of Object.entries<object>(body.paths)) {
    const pattern = new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`);
    const matching = known.find((one) => pattern.test(one) && (path.includes('{') || one === path)) ?? '';
    for (const method of Object.keys(operations))
      expect(PATHS[matching] ?? PATHS[`${matching}?id=x`]).toContain(method.toUpperCase());
  }
});

describe('a path is recognised', () => {
  it.each(['/v1/models/', '//v1/models', '/v1//models', '//v1//models//', '/%761//models/'])(
    'with slashes at its end or doubled, and still requires a key: %s',
    async (path) => {
      expect(JSON.parse((await send('GET', path)).body).object).toBe('list');
      const keyless = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      expect((await rawRequest(t.gateway.address, keyless)).map(({ status }) => status)).toEqual([401]);
    },
  );

  it('for a POST, without a redirect that would turn it into a GET', async () => {
    const { status, body } = await t.json('/v1//video/generations/', {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect([status, body.error.param]).toEqual([400, 'model']);
  });

  it('with scheme and host, and in the form for the whole server', async () => {
    expect((await send('GET', 'http://x/v1/models')).status).toBe(200);
    expect((await send('OPTIONS', '*')).status).toBe(204);
  });
});

it('OPTIONS needs no key, and allows no other site to read responses', async () => {
  const { status, headers } = await t.call('/v1/models', {
    key: null,
    method: 'OPTIONS',
    headers: { origin: 'https://example.com', 'access-control-request-method': 'GET' },
  });
  expect(status).toBe(204);
  expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([]);
});
