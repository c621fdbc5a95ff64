import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ErrorAnswer } from '../../src/api/schemas.ts';
import { createParserErrorHandler } from '../../src/api/wireErrors.ts';
import { createLog } from '../../src/observability/log.ts';
import { KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { type RawAnswer, rawRequest } from '../support/http/rawRequest.ts';

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway();
});
afterAll(() => t.end());

const AUTHORIZED = `Host: x\r\nAuthorization: Bearer ${KEY}\r\n`;
const POST = `POST /v1/video/generations HTTP/1.1\r\n${AUTHORIZED}Content-Type: application/json\r\n`;

function checkError(answer: RawAnswer | undefined): string {
  if (!answer) throw new Error('the connection was closed without an answer');
  const { error } = ErrorAnswer.parse(JSON.parse(answer.body));
  expect(error.code).toBe(answer.status);
  expect(answer.headers.get('x-request-id')).toBe(error.request_id);
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(answer.headers.get('cache-control')).toBe('no-store');
  return error.reason;
}

describe('malformed requests are answered with our error object and a request id', () => {
  it.each<[string, string, number, string]>([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'invalid_request'],
    ['the first bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'invalid_request'],
    ['HTTP/2 without an upgrade', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'invalid_request'],
    ['an unknown version', 'GET / HTTP/9.9\r\nHost: x\r\n\r\n', 400, 'invalid_request'],
    ['an unknown method', 'BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n', 501, 'method_unknown'],
    ['a method in lower case', 'get /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 501, 'method_unknown'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n', 400, 'invalid_request'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400, 'invalid_request'],
    [
      'a control character in a header',
      'GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n',
      400,
      'invalid_request',
    ],
    ['no Host', 'GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'invalid_request'],
    ['a Content-Length that is no number', `${POST}Content-Length: ten\r\n\r\n`, 400, 'invalid_request'],
    ['two lengths', `${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400, 'invalid_request'],
    [
      'a length and chunks',
      `${POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
      400,
      'invalid_request',
    ],
    ['an unknown Transfer-Encoding', `${POST}Transfer-Encoding: gzip\r\n\r\n{}`, 400, 'invalid_request'],
    [
      'a chunk size that is not a number',
      `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}`,
      400,
      'invalid_request',
    ],
    [
      'endless chunk extensions',
      `${POST}Transfer-Encoding: chunked\r\n\r\n2;a=${'x'.repeat(20_000)}\r\n{}`,
      413,
      'body_too_large',
    ],
    [
      'headers of 20 kB',
      `GET / HTTP/1.1\r\nHost: x\r\nA: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'an address of 20 kB',
      `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'headers that never end',
      `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(200_000)}`,
      431,
      'headers_too_large',
    ],
    [
      'an unknown Expect',
      `${POST}Expect: miracles\r\nContent-Length: 2\r\n\r\n{}`,
      417,
      'expectation_failed',
    ],
    ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n', 405, 'method_not_allowed'],
    [
      'a path that cannot be decoded',
      `GET /v1/%zz HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`,
      400,
      'invalid_request',
    ],
    [
      'an id that is too long',
      `GET /v1/models/${'x'.repeat(300)} HTTP/1.1\r\n${AUTHORIZED}Connection: close\r\n\r\n`,
      404,
      'not_found',
    ],
  ])('%s', async (_what, bytes, status, reason) => {
    const answers = await rawRequest(t.gateway.address, Buffer.from(bytes, 'latin1'));
    expect(answers.map((answer) => answer.status)).toEqual([status]);
    expect(checkError(answers[0])).toBe(reason);
  });

  it('headers that take too long', async () => {
    // The gateway waits a minute for them; this is the same handler on a server with a shorter limit.
    const server = createServer({ headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 10 });
    server.on(
      'clientError',
      createParserErrorHandler(createLog('info', { write: () => true }), () => {}),
    );
    server.listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const [answer] = await rawRequest(`http://127.0.0.1:${port}`, 'GET / HTTP/1.1\r\nHost: x\r\n');
    expect([answer?.status, checkError(answer)]).toEqual([408, 'request_timeout']);
  });
});

it.each(['websocket', 'h2c', 'TLS/1.3'])(
  'an upgrade to %s is not accepted: the request itself is answered',
  async (protocol) => {
    const [answer] = await rawRequest(
      t.gateway.address,
      `GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\n\r\n`,
    );
    expect([answer?.status, answer?.body]).toEqual([200, '{"status":"ok"}']);
  },
);

it('HTTP/1.0 needs no Host header', async () => {
  const [answer] = await rawRequest(t.gateway.address, 'GET /healthz HTTP/1.0\r\n\r\n');
  expect(answer?.status).toBe(200);
});

it('bytes behind a good request never replace its response', async () => {
  const answers = await rawRequest(
    t.gateway.address,
    `GET /readyz HTTP/1.1\r\n${AUTHORIZED}\r\nnonsense\r\n\r\n`,
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 400]);
  checkError(answers[1]);
});

it('bytes behind several good requests are refused after all of these are answered', async () => {
  const get = `GET /readyz HTTP/1.1\r\n${AUTHORIZED}\r\n`;
  const answers = await rawRequest(t.gateway.address, `${get}${get}${get}nonsense\r\n\r\n`);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 400]);
  checkError(answers[3]);
});

it('a body that breaks off behind a good request is refused after its answer', async () => {
  const broken = `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}`;
  const answers = await rawRequest(t.gateway.address, `GET /readyz HTTP/1.1\r\n${AUTHORIZED}\r\n${broken}`);
  expect(answers.map(({ status }) => status)).toEqual([200, 400]);
});

it('a client that disconnects in the middle of a request does not affect the gateway', async () => {
  const { hostname, port } = new URL(t.gateway.address);
  for (const part of [
    'GET',
    POST,
    `${POST}Content-Length: 90\r\n\r\n{"model"`,
    `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\n{`,
  ]) {
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.end(part);
    socket.resume();
    await once(socket, 'close');
  }
  expect((await t.call('/healthz')).status).toBe(200);
});

it('a refused client may continue to send until the response has arrived', async () => {
  const { hostname, port } = new URL(t.gateway.address);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  socket.write('nonsense\r\n\r\n');
  await once(socket, 'data');
  for (let i = 0; i < 20; i++) socket.write('x'.repeat(10_000));
  await once(socket, 'end');
  socket.end();
  expect(text).toContain('invalid_request');
  expect(text.match(/^HTTP/gm)).toHaveLength(1);
});
