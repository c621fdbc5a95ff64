import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import fastify from 'fastify';
import { expect, it, onTestFinished } from 'vitest';
import type { App } from '../../src/api/context.ts';
import { createDraining } from '../../src/api/draining.ts';
import { shutDown, trackUnused } from '../../src/api/shutdown.ts';
import { keepConnection } from '../support/http/keptConnection.ts';

const KEY = 'sk-test-0123456789abcdefghij';

/** A server with two routes: one answers at once, the other holds its response until it is released. */
async function world({ delayMs = 0, graceMs = 60_000, patienceMs = 60_000 } = {}) {
  const draining = createDraining();
  const order: string[] = [];
  const app = fastify() as unknown as App;
  const arrived = new EventTarget();
  app.get('/now', async (_request, reply) => {
    if (draining.begun) reply.header('connection', 'close');
    return { ok: true };
  });
  app.get('/held', async (_request, reply) => {
    arrived.dispatchEvent(new Event('held'));
    await new Promise<void>((resolve) => draining.onRelease(resolve));
    order.push('released');
    return reply.header('connection', 'close').send({ ok: true });
  });
  app.get('/never', async () => {
    arrived.dispatchEvent(new Event('never'));
    return new Promise(() => undefined);
  });
  const unused = trackUnused(app.server);
  const origin = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  return {
    draining,
    origin,
    app,
    arrives: (what: string) => once(arrived, what),
    order,
    close: () =>
      shutDown({
        app,
        unused,
        draining,
        delayMs,
        graceMs,
        patienceMs,
        drain: async (ms) => void order.push(`drain ${ms}`),
      }),
  };
}

/** Resolves once the server accepts no more connections. */
async function notListening(app: App): Promise<void> {
  while (app.server.listening) await new Promise((resolve) => setImmediate(resolve));
}

it('a connection that was idle is still answered after the listener has closed, with Connection: close', async () => {
  const w = await world({ delayMs: 20 });
  const connection = await keepConnection(w.origin, KEY);
  expect((await connection.get('/now')).headers.get('connection')).toBe('keep-alive');
  const closed = w.close();
  await notListening(w.app);
  expect(w.order).toEqual([]);
  const answer = await connection.get('/now');
  expect(answer.status).toBe(200);
  expect(answer.headers.get('connection')).toBe('close');
  await connection.ended;
  await closed;
  expect(w.order).toEqual(['drain 60000']);
});

it('a connection that stays idle is closed when the grace period ends', async () => {
  const w = await world({ delayMs: 1, graceMs: 20 });
  const connection = await keepConnection(w.origin, KEY);
  await connection.get('/now');
  await w.close();
  await connection.ended;
});

it('without a delay nothing is waited for', async () => {
  const w = await world();
  const connection = await keepConnection(w.origin, KEY);
  await connection.get('/now');
  await w.close();
  await connection.ended;
});

it('during the delay new connections are accepted; held requests are answered after it, before tasks are drained', async () => {
  const w = await world({ delayMs: 200 });
  const holding = await keepConnection(w.origin, KEY);
  const heldArrived = w.arrives('held');
  const held = holding.get('/held');
  await heldArrived;
  const closed = w.close();
  expect(w.draining.begun).toBe(true);
  const late = await keepConnection(w.origin, KEY);
  expect((await late.get('/now')).headers.get('connection')).toBe('close');
  expect((await held).status).toBe(200);
  await closed;
  expect(w.order).toEqual(['released', 'drain 60000']);
});

it('a connection that never sent anything is closed, and one that is sending a request is answered', async () => {
  const w = await world();
  const { hostname, port } = new URL(w.origin);
  const open = async () => {
    const accepted = once(w.app.server, 'connection');
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    const [theirs] = await accepted;
    return { socket, theirs: theirs as Socket };
  };
  const [ahead, sending] = [await open(), await open()];
  sending.socket.write('GET /now HT');
  while (sending.theirs.bytesRead === 0) await new Promise((resolve) => setImmediate(resolve));
  const closed = w.close();
  await once(ahead.socket.resume(), 'close');
  sending.socket.write('TP/1.1\r\nhost: x\r\n\r\n');
  expect(String((await once(sending.socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200/);
  await closed;
});

it('a connection that never sends the rest of a request is closed, whether it is the first or a later one', async () => {
  const w = await world();
  const { hostname, port } = new URL(w.origin);
  const sockets = [false, true].map((second) => {
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    socket.write(`${second ? 'GET /now HTTP/1.1\r\nhost: x\r\n\r\n' : ''}GET /now HT`);
    return socket;
  });
  const [, later] = sockets;
  if (later) await once(later, 'data');
  const ended = sockets.map((socket) => once(socket.resume(), 'close'));
  await w.close();
  await Promise.all(ended);
});

it('a request that does not end is cut at the timeout', async () => {
  const w = await world({ patienceMs: 20 });
  const connection = await keepConnection(w.origin, KEY);
  const arrived = w.arrives('never');
  const answer = connection.get('/never');
  const refused = expect(answer).rejects.toThrow('the connection ended');
  await arrived;
  await w.close();
  await refused;
});

it('connections that the system has established but the server has not accepted yet are answered', async () => {
  const w = await world({ delayMs: 1 });
  // In a thread of its own, which connects while the event loop here is blocked.
  const connected = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { connect } = require('node:net');
    const { parentPort, workerData } = require('node:worker_threads');
    const answers = Array.from({ length: 5 }, () => new Promise((resolve) => {
      const socket = connect(workerData.port, '127.0.0.1', () => {
        socket.write('GET /now HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
        if (Atomics.add(workerData.connected, 0, 1) === 4) Atomics.notify(workerData.connected, 0);
      });
      socket.once('data', (chunk) => resolve(String(chunk).split('\\r\\n', 1)[0]));
      socket.once('error', (error) => resolve(error.code));
    }));
    Promise.all(answers).then((all) => parentPort.postMessage(all));`,
    { eval: true, workerData: { connected, port: Number(new URL(w.origin).port) } },
  );
  onTestFinished(async () => void (await worker.terminate()));
  const answers = once(worker, 'message');
  w.draining.onRelease(() => {
    for (let seen = 0; seen < 5; seen = Atomics.load(connected, 0)) Atomics.wait(connected, 0, seen, 10_000);
  });
  await w.close();
  expect(await answers).toEqual([Array(5).fill('HTTP/1.1 200 OK')]);
});
