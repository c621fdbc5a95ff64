import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { AuthenticationError, ConnectionError, Onetake, type TaskEvent } from '../src/index.ts';
import { KEY, QUICK, startTestGateway, type TestGateway } from './support/gateway.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.end());

const connect = (apiKey = KEY, maxRetries?: number) =>
  new Onetake({ baseUrl: gateway.proxy.url, apiKey, maxRetries });

/** Takes events until there is one of this type. */
async function until(events: AsyncGenerator<TaskEvent>, type: string, taken: TaskEvent[] = []) {
  for (;;) {
    const { value } = await events.next();
    taken.push(value);
    if (value.type === type) return taken;
  }
}

describe('the events of a project', () => {
  it('go on after a cut connection and a restart of the gateway, without missing or repeating one', async () => {
    const client = connect();
    const [ended, ready] = [new AbortController(), Promise.withResolvers<void>()];
    const events = client.events({
      signal: ended.signal,
      metadata: { test: 'events' },
      onReady: () => ready.resolve(),
    });
    const first = events.next();
    await ready.promise;
    const one = await client.submit({ ...QUICK, metadata: { test: 'events' } });
    // Of others, which this stream does not tell of.
    await client.submit({ ...QUICK, metadata: { test: 'other' } });
    const { value } = await first;
    const taken =
      value.type === 'video.succeeded' ? [value] : await until(events, 'video.succeeded', [value]);
    gateway.proxy.cut();
    await gateway.stop();
    await gateway.start();
    const two = await client.generate({ ...QUICK, metadata: { test: 'events' } });
    await until(events, 'video.succeeded', taken);

    const ofTask = (id: string) => taken.filter(({ data }) => data.task_id === id).map(({ type }) => type);
    for (const { task_id: id } of [one, two])
      expect(ofTask(id)).toEqual(['video.started', 'video.succeeded']);
    expect(new Set(taken.map(({ id }) => id)).size).toBe(4);
    expect(taken).toHaveLength(4);
    const waiting = events.next();
    ended.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('are refused at once with a wrong key, and without a server', async () => {
    await expect(connect('sk-wrong').events().next()).rejects.toThrow(AuthenticationError);
    gateway.proxy.fault = () => ({ answer: 503 });
    await expect(connect(KEY, 0).events().next()).rejects.toMatchObject({ status: 503 });
    gateway.proxy.fault = () => undefined;
    const nobody = new Onetake({ baseUrl: 'http://127.0.0.1:9', apiKey: KEY, maxRetries: 0 });
    await expect(nobody.events().next()).rejects.toThrow(ConnectionError);
  });
});

/** A server whose connections each tell this and end, and the cursors that they were asked to go on from. */
async function telling(...connections: readonly string[]) {
  const cursors: unknown[] = [];
  const server = createServer((request, response) => {
    cursors.push(request.headers['last-event-id']);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(connections[cursors.length - 1]);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { client: new Onetake({ baseUrl: `http://127.0.0.1:${port}`, apiKey: KEY }), cursors };
}

describe('after an interruption that the gateway cannot bridge', () => {
  const event = (id: string) =>
    `event: video.started\nid: c${id}\ndata: {"id":"${id}","type":"video.started"}\n\n`;
  const reset = 'event: reset\nid: c3\ndata: {"reason":"too_old","message":"List the tasks."}\n\n';
  const connections = [`${event('1')}:\nid: c2\n\n`, `${reset}${event('1')}${event('4')}`] as const;

  it('the caller is told, and goes on from there without repeated events', async () => {
    const { client, cursors } = await telling(...connections);
    const messages: string[] = [];
    const events = client.events({ onReset: (message) => messages.push(message) });
    const taken = [(await events.next()).value.id, (await events.next()).value.id];
    expect({ taken, messages, cursors }).toEqual({
      taken: ['1', '4'],
      messages: ['List the tasks.'],
      cursors: [undefined, 'c2'],
    });
    await events.return(undefined as never);
  });

  it('it is an error for a caller who takes no notice', async () => {
    const { client } = await telling(...connections);
    const events = client.events();
    await events.next();
    await expect(events.next()).rejects.toThrow('List the tasks.');
  });
});

it('the secret of the project is told', async () => {
  expect(await connect().webhookSecret()).toMatch(/^whsec_/);
});
