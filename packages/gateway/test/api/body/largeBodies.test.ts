import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fastify from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { useStrictJson } from '../../../src/api/body/json.ts';
import { refuseTrickle } from '../../../src/api/body/receive.ts';
import type { App } from '../../../src/api/context.ts';
import { answerError } from '../../../src/api/errors.ts';
import { KEY, QUICK, startTestGateway, type TestGateway } from '../../support/gateway.ts';

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway({ ONETAKE_BODY_LIMIT_MB: '2' });
});
afterAll(() => t.end());

/** The head of a submission over a connection of its own, and the response to it. */
async function begin(headers: string, address = t.gateway.address) {
  const { hostname, port } = new URL(address);
  const socket: Socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  let answer = '';
  const answered = new Promise<string>((resolve) => {
    socket.on('data', (chunk) => {
      answer += chunk;
      if (/\r\n\r\n[\s\S]*\}$/.test(answer)) resolve(answer);
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', () => resolve(answer));
  });
  socket.write(
    `POST /v1/video/generations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`,
  );
  return { socket, answered };
}
const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

describe('expensive bodies', () => {
  it.each<[string, string, RegExp]>([
    ['nested a million times', '['.repeat(1_000_000), /nested more than 32 levels/],
    [
      'of a hundred thousand names',
      `{${Array.from({ length: 100_000 }, (_, n) => `"${n}":0`)}}`,
      /10000 values/,
    ],
    ['with a field twice', JSON.stringify(QUICK).replace('{', '{"prompt":"x",'), /"prompt" is given twice/],
  ])('%s', async (_name, body, message) => {
    const { status, body: answer } = await t.submit(body);
    expect([status, answer.error.reason]).toEqual([400, 'invalid_json']);
    expect(answer.error.message).toMatch(message);
  });

  it('are refused while they arrive, with a readable response', async () => {
    const { socket, answered } = await begin('Transfer-Encoding: chunked');
    socket.write(chunk('['.repeat(100)));
    expect(await answered).toMatch(/HTTP\/1.1 400[\s\S]*nested more than 32 levels/);
    socket.destroy();
  });

  it('are read to their end, so that a client that reads only then gets the reason', async () => {
    const length = 2 ** 21 - 10;
    const { socket, answered } = await begin(`Content-Length: ${length}`);
    const whole = Buffer.alloc(length, '[');
    // More than the buffers of a connection hold: it ends only if the gateway reads it.
    await new Promise<void>((resolve, reject) =>
      socket.write(whole, (error) => (error ? reject(error) : resolve())),
    );
    expect(await answered).toMatch(/HTTP\/1.1 400[\s\S]*nested more than 32 levels/);
    const next = once(socket, 'data');
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(String(await next)).toMatch(/HTTP\/1.1 200/);
    socket.destroy();
  });

  it('are refused everywhere except where images are accepted', async () => {
    const body = JSON.stringify({ name: 'A'.repeat(2 ** 20) });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
    expect((await t.json('/v1/admin/keys', init)).status).toBe(413);
  });

  it('an image of more than a megabyte is accepted', async () => {
    const image = Buffer.alloc(1_200_000, 1).toString('base64');
    const { status, body } = await t.submit({ ...QUICK, image });
    // The renderer accepts no images; the body was read before that error.
    expect([status, body.error.param]).toEqual([400, 'image']);
  });

  it('wait for a place if a project has several in progress; small ones do not wait', async () => {
    const length = 2 ** 21 - 10;
    const holders = await Promise.all([1, 2].map(() => begin(`Content-Length: ${length}`)));
    for (const { socket } of holders) socket.write('{"image":"');
    const third = await begin(`Content-Length: ${length}`);
    third.socket.write(`{"image":"${'A'.repeat(length - 12)}"}`);
    expect((await t.submit({ ...QUICK, model: 'none' })).status).toBe(400);
    const order: string[] = [];
    void third.answered.then(() => order.push('third'));
    const [first] = holders;
    first?.socket.write(`${'A'.repeat(length - 12)}"}`);
    expect(await first?.answered).toMatch(/HTTP\/1.1 400/);
    order.push('first');
    expect(await third.answered).toMatch(/HTTP\/1.1 400[\s\S]*model is required/);
    expect(order).toEqual(['first', 'third']);
    for (const { socket } of [...holders, third]) socket.destroy();
  });
});

it('a body that stops arriving is given up, and its connection is closed', async () => {
  const app: App = fastify().withTypeProvider<ZodTypeProvider>();
  onTestFinished(() => app.close());
  app.setErrorHandler(answerError);
  useStrictJson(app, { largestBody: 2 ** 20, idleMs: 20 });
  app.post('/v1/video/generations', async () => ({}));
  const { socket, answered } = await begin(
    'Content-Length: 100',
    await app.listen({ host: '127.0.0.1', port: 0 }),
  );
  socket.write('{"model":');
  expect(await answered).toMatch(/HTTP\/1.1 408[\s\S]*connection: close[\s\S]*request_timeout/i);
  if (!socket.closed) await once(socket, 'close');
});

it.each([
  [1, 14_000, false],
  [100, 16_000, true],
  [256_000, 15_999, false],
  [256_000, 17_000, true],
  [67_000_000, 599_000, false],
])('a body of which %i bytes arrived in %i ms is refused as too slow: %s', (bytes, ms, refused) => {
  if (refused) expect(() => refuseTrickle(bytes, ms)).toThrow('too slowly');
  else expect(() => refuseTrickle(bytes, ms)).not.toThrow();
});
