import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fastify from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { expect, it, onTestFinished } from 'vitest';
import type { ApiContext, App } from '../../../src/api/context.ts';
import { createDraining } from '../../../src/api/draining.ts';
import { eventRoute } from '../../../src/api/routes/events.ts';
import { queryRoute } from '../../../src/api/routes/query.ts';
import { createFeed, type Feed } from '../../../src/engine/events/feed.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aKey, aTask } from '../../support/builders.ts';
import { eventually } from '../../support/eventually.ts';

/** The routes that listen to the feed, over a task that the test changes; every listener is counted. */
async function world({ read = async () => undefined as unknown } = {}) {
  let task: Task = aTask({ phase: 'running' });
  let listening = 0;
  const counted = (subscribe: () => () => void) => {
    const stop = subscribe();
    let stopped = false;
    listening += 1;
    return () => {
      if (!stopped) listening -= 1;
      stopped = true;
      stop();
    };
  };
  const feed = createFeed();
  const countedFeed: Feed = {
    ...feed,
    onTask: (id, listener) => counted(() => feed.onTask(id, listener)),
  };
  const draining = createDraining();
  let brokenSnapshots = false;
  let body = '{}';
  const snapshot = async (current: Task) => {
    if (brokenSnapshots) throw new Error('no link can be made');
    return { task: current, body: Buffer.from(body), etag: `"${current.version}"` };
  };
  const app = fastify() as unknown as App;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.decorateRequest('apiKey', undefined);
  app.addHook('onRequest', async (request) => {
    request.apiKey = aKey({ projectId: task.projectId });
  });
  // As much of the context as the two routes use.
  const context = {
    feed: countedFeed,
    draining: {
      ...draining,
      onRelease: (listener: () => void) => counted(() => draining.onRelease(listener)),
    },
    engine: {
      async read() {
        await read();
        return task;
      },
    },
    snapshots: { cached: () => undefined, of: snapshot, read: () => read().then(() => snapshot(task)) },
  } as unknown as ApiContext;
  eventRoute(app, context);
  queryRoute(app, context);
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });

  const path = `/v1/video/generations/${task.id}`;
  return {
    origin,
    path,
    draining,
    listening: () => listening,
    unheard: () => eventually(() => expect(listening).toBe(0)),
    heard: () => eventually(() => expect(listening).toBe(2)),
    change(changes: Partial<Task>) {
      task = { ...task, ...changes, version: task.version + 1 };
      feed.publish({ task, transition: true });
    },
    breakSnapshots() {
      brokenSnapshots = true;
    },
    enlarge() {
      body = JSON.stringify('x'.repeat(1_000_000));
    },
    async ask(method: string, to: string): Promise<Socket> {
      const { hostname, port } = new URL(origin);
      const socket = connect(Number(port), hostname);
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(`${method} ${to} HTTP/1.1\r\nHost: x\r\n\r\n`);
      return socket;
    },
  };
}

it('a stream that is read to its end leaves no listener', async () => {
  const w = await world();
  const response = await fetch(`${w.origin}${w.path}/events`);
  await w.heard();
  w.change({ phase: 'failed' });
  expect(await response.text()).toMatch(/^event: task\n/);
  await w.unheard();
});

it('HEAD tells the type of the stream, and listens to nothing', async () => {
  const w = await world();
  const response = await fetch(`${w.origin}${w.path}/events`, { method: 'HEAD' });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  expect(w.listening()).toBe(0);
});

it.each(['/events', '?wait=60'])('a client that goes away leaves no listener: %s', async (suffix) => {
  const w = await world();
  const socket = await w.ask('GET', `${w.path}${suffix}`);
  await w.heard();
  socket.destroy();
  await w.unheard();
});

it.each(['/events', '?wait=60'])(
  'nor does one that has gone before the task was read: %s',
  async (suffix) => {
    const reads: (() => void)[] = [];
    const w = await world({ read: () => new Promise<void>((resolve) => reads.push(resolve)) });
    const socket = await w.ask('GET', `${w.path}${suffix}`);
    await eventually(() => expect(reads).toHaveLength(1));
    const gone = once(socket, 'close');
    socket.destroy();
    await gone;
    // Until the server has noticed, too.
    await fetch(`${w.origin}/none`);
    reads[0]?.();
    await eventually(() => {
      for (const read of reads) read();
      expect(w.listening()).toBe(0);
    });
  },
);

it.each(['/events', '?wait=60'])('the stop of the gateway ends it: %s', async (suffix) => {
  const w = await world();
  const response = fetch(`${w.origin}${w.path}${suffix}`);
  await w.heard();
  w.draining.release();
  await (await response).text();
  await w.unheard();
});

it('an answer that cannot be made cuts the stream and leaves no listener', async () => {
  const w = await world();
  const response = await fetch(`${w.origin}${w.path}/events`);
  await w.heard();
  w.breakSnapshots();
  w.change({});
  await expect(response.text()).rejects.toThrow();
  await w.unheard();
});

it('a read that fails does so, too', async () => {
  let reads = 0;
  const w = await world({
    async read() {
      reads += 1;
      if (reads > 1) throw new Error('the store is away');
    },
  });
  const response = await fetch(`${w.origin}${w.path}/events`);
  await response.text().catch(() => undefined);
  await w.unheard();
});

it('a client that does not read, and then goes, leaves no listener', async () => {
  const w = await world();
  const socket = await w.ask('GET', `${w.path}/events`);
  socket.pause();
  await w.heard();
  w.enlarge();
  for (let i = 0; i < 20; i++) w.change({});
  socket.destroy();
  await w.unheard();
});
