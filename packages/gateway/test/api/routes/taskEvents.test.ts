import { EventEmitter, once } from 'node:events';
import { connect, type Socket } from 'node:net';
import fastify, { type FastifyReply } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ApiContext, App } from '../../../src/api/context.ts';
import { createDraining } from '../../../src/api/draining.ts';
import { hangUpSignal } from '../../../src/api/http/hangUp.ts';
import { queryRoute } from '../../../src/api/routes/query.ts';
import { taskEventsRoute } from '../../../src/api/routes/taskEvents.ts';
import { createEventStreams } from '../../../src/api/streams.ts';
import { createFeed, type Feed } from '../../../src/engine/events/feed.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { aKey, aTask, START_OF_TIME } from '../../support/builders.ts';
import { eventually } from '../../support/eventually.ts';

/** The routes that listen to the feed, for a task that the test changes; every listener is counted. */
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
  const countedDraining = {
    ...draining,
    onRelease: (listener: () => void) => counted(() => draining.onRelease(listener)),
  };
  let brokenSnapshots = false;
  let stale = false;
  let progress = 0;
  let body = '{}';
  const snapshot = async (current: Task) => {
    if (brokenSnapshots) throw new Error('no link can be made');
    return {
      task: current,
      body: Buffer.from(body),
      etag: `"${current.version}${progress > 0 ? `-${progress}` : ''}"`,
    };
  };
  const app = fastify() as unknown as App;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.decorateRequest('apiKey', undefined);
  app.addHook('onRequest', async (request) => {
    const { projectId } = task;
    request.apiKey = {
      ...aKey({ projectId }),
      project: { id: projectId, name: projectId, createdAt: START_OF_TIME },
    };
  });
  // The part of the context that the two routes use.
  const context = {
    feed: countedFeed,
    draining: countedDraining,
    streams: createEventStreams({
      draining: countedDraining,
      keyring: { isValid: async () => true, onForget: () => () => undefined },
      clock: { now: Date.now },
      monotonicClock: systemClock,
      limits: { perKey: 10, perNode: 10 },
    }),
    engine: {
      async read() {
        await read();
        return task;
      },
    },
    snapshots: {
      cached: () => undefined,
      of: snapshot,
      read() {
        const before = task;
        return read().then(() => snapshot(stale ? before : task));
      },
    },
  } as unknown as ApiContext;
  taskEventsRoute(app, context);
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
    /** Another node tells of the progress of the task. */
    progressed(percent: number) {
      progress = percent;
      feed.progressedRemotely(task.id);
    },
    change(changes: Partial<Task>) {
      task = { ...task, ...changes, version: task.version + 1 };
      feed.publish({ task, transition: true });
    },
    breakSnapshots() {
      brokenSnapshots = true;
    },
    readStale() {
      stale = true;
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

it('a stream also carries progress of a task that another node drives, each once', async () => {
  const w = await world();
  const response = await fetch(`${w.origin}${w.path}/events`);
  await w.heard();
  w.progressed(10);
  w.progressed(10);
  w.progressed(20);
  w.change({ phase: 'failed' });
  const ids = [...(await response.text()).matchAll(/^id: (.*)$/gm)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toContain('"1-20"');
  expect(ids.at(-1)).toBe('"2-20"');
  await w.unheard();
});

it('HEAD returns the content type of the stream, and does not listen', async () => {
  const w = await world();
  const response = await fetch(`${w.origin}${w.path}/events`, { method: 'HEAD' });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  expect(w.listening()).toBe(0);
});

it.each(['/events', '?wait=60'])('a client that disconnects leaves no listener: %s', async (suffix) => {
  const w = await world();
  const socket = await w.ask('GET', `${w.path}${suffix}`);
  await w.heard();
  socket.destroy();
  await w.unheard();
});

it.each(['/events', '?wait=60'])(
  'nor does one that disconnects before the task is read: %s',
  async (suffix) => {
    const reads: (() => void)[] = [];
    const w = await world({ read: () => new Promise<void>((resolve) => reads.push(resolve)) });
    const socket = await w.ask('GET', `${w.path}${suffix}`);
    await eventually(() => expect(reads).toHaveLength(1));
    const gone = once(socket, 'close');
    socket.destroy();
    await gone;
    // Until the server has noticed as well.
    await fetch(`${w.origin}/none`);
    reads[0]?.();
    await eventually(() => {
      for (const read of reads) read();
      expect(w.listening()).toBe(0);
    });
  },
);

it.each(['/events', '?wait=60'])('a stop of the gateway ends it: %s', async (suffix) => {
  const w = await world();
  const response = fetch(`${w.origin}${w.path}${suffix}`);
  await w.heard();
  w.draining.release();
  await (await response).text();
  await w.unheard();
});

it('a response that cannot be created cuts the stream and leaves no listener', async () => {
  const w = await world();
  const response = await fetch(`${w.origin}${w.path}/events`);
  await w.heard();
  w.breakSnapshots();
  w.change({});
  await expect(response.text()).rejects.toThrow();
  await w.unheard();
});

it('a failed read does the same', async () => {
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

it('a client that does not read, and then disconnects, leaves no listener', async () => {
  const w = await world();
  const socket = await w.ask('GET', `${w.path}/events`);
  socket.pause();
  await w.heard();
  w.enlarge();
  for (let i = 0; i < 20; i++) w.change({});
  socket.destroy();
  await w.unheard();
});

/** The timers with this delay that were set from now on and not cleared. */
function watchTimers(ms: number) {
  const set = new Set<unknown>();
  const {
    setTimeout: timeout,
    setInterval: interval,
    clearTimeout: clear,
    clearInterval: clearInt,
  } = globalThis;
  onTestFinished(() => void vi.unstubAllGlobals());
  vi.stubGlobal('setTimeout', (work: () => void, delay: number) => {
    const timer = timeout(work, delay);
    if (delay === ms) set.add(timer);
    return timer;
  });
  vi.stubGlobal('setInterval', (work: () => void, delay: number) => {
    // In a test the fifteen-second interval is short.
    const timer = interval(work, 5);
    if (delay === ms) set.add(timer);
    return timer;
  });
  vi.stubGlobal('clearTimeout', (timer: NodeJS.Timeout) => {
    set.delete(timer);
    clear(timer);
  });
  vi.stubGlobal('clearInterval', (timer: NodeJS.Timeout) => {
    set.delete(timer);
    clearInt(timer);
  });
  return set;
}

describe.each([
  ['a held query', '?wait=60', 60_000],
  ['an event stream', '/events', 15_000],
] as const)('%s', (_what, suffix, ms) => {
  it.each([
    ['the client disconnects', 'hang up'],
    ['the gateway stops', 'drain'],
    ['the task ends', 'end'],
  ] as const)('leaves no timer if %s', async (_how, how) => {
    const timers = watchTimers(ms);
    const w = await world();
    const socket = await w.ask('GET', `${w.path}${suffix}`);
    await w.heard();
    expect(timers.size).toBe(1);
    if (how === 'hang up') socket.destroy();
    if (how === 'drain') w.draining.release();
    if (how === 'end') w.change({ phase: 'failed' });
    await w.unheard();
    await eventually(() => expect(timers.size).toBe(0));
  });
});

it('a stream without changes sends a heartbeat, so that proxies keep it open', async () => {
  watchTimers(15_000);
  const w = await world();
  const socket = await w.ask('GET', `${w.path}/events`);
  let text = '';
  socket.on('data', (data) => {
    text += String(data);
  });
  await eventually(() => expect(text).toContain('\n:\n\n'));
});

it('a held query continues until the task has finished', async () => {
  const w = await world();
  const response = fetch(`${w.origin}${w.path}?wait=60`);
  await w.heard();
  w.change({ startedAt: 1 });
  await fetch(`${w.origin}/none`);
  expect(w.listening()).toBe(2);
  w.change({ phase: 'failed' });
  expect((await response).headers.get('etag')).toBe('"3"');
});

it('wait_for=change holds it until the status is another one', async () => {
  const w = await world();
  const response = fetch(`${w.origin}${w.path}?wait=60&wait_for=change`);
  await w.heard();
  w.change({ startedAt: 1 });
  expect((await response).headers.get('etag')).toBe('"2"');
});

it('a change while the task is read is not missed', async () => {
  const reads: (() => void)[] = [];
  const w = await world({ read: () => new Promise<void>((resolve) => reads.push(resolve)) });
  // The read has its answer before the change, and returns after it.
  w.readStale();
  const response = fetch(`${w.origin}${w.path}?wait=60`);
  await eventually(() => expect(reads).toHaveLength(1));
  w.change({ phase: 'failed' });
  reads[0]?.();
  await eventually(() => expect(reads).toHaveLength(2));
  reads[1]?.();
  expect((await response).headers.get('etag')).toBe('"2"');
});

it('a held query continues if the status stays the same', async () => {
  const w = await world();
  const response = fetch(`${w.origin}${w.path}?wait=60`);
  await w.heard();
  w.change({ cancelRequestedAt: 1 });
  await fetch(`${w.origin}/none`);
  expect(w.listening()).toBe(2);
  w.change({ phase: 'failed' });
  expect((await response).headers.get('etag')).toBe('"3"');
});

it.each<[string, string, Record<string, string>, Partial<Task>]>([
  ['the request does not ask to wait', '', {}, {}],
  ['the time to wait is zero', '?wait=0', {}, {}],
  ['the task is over', '?wait=60', {}, { phase: 'failed' }],
  ['the client has another answer', '?wait=60&wait_for=change', { 'if-none-match': '"other"' }, {}],
  ['a preference cannot be read', '', { prefer: 'wait=soon' }, {}],
])('a query is answered at once if %s', async (_when, suffix, headers, changes) => {
  const w = await world();
  if (Object.keys(changes).length > 0) w.change(changes);
  const response = await fetch(`${w.origin}${w.path}${suffix}`, { headers });
  expect(response.status).toBe(200);
  expect(w.listening()).toBe(0);
});

it.each([
  ['wait=60', 60_000],
  ['respond-async, wait=30', 30_000],
  ['WAIT = "20"; foo, handling=lenient', 20_000],
  ['wait=120', 60_000],
])('a Prefer header is honoured: %s', async (prefer, ms) => {
  const timers = watchTimers(ms);
  const w = await world();
  const response = fetch(`${w.origin}${w.path}`, { headers: { prefer } });
  await w.heard();
  expect(timers.size).toBe(1);
  w.change({ phase: 'failed' });
  await response;
});

it('a client that already has the response waits for the next one', async () => {
  const w = await world();
  const response = fetch(`${w.origin}${w.path}?wait=60`, { headers: { 'if-none-match': '"1"' } });
  await w.heard();
  w.change({ phase: 'failed' });
  expect((await response).status).toBe(200);
});

describe('a gateway that shuts down', () => {
  it('reports that from the first moment, and releases waiting clients when told to', () => {
    const draining = createDraining();
    let told = 0;
    const stop = draining.onRelease(() => {
      told += 1;
    });
    draining.onRelease(() => {
      told += 10;
      stop();
    });
    expect(draining.begun).toBe(false);
    draining.begin();
    expect([draining.begun, told]).toEqual([true, 0]);
    draining.release();
    expect(told).toBe(11);
  });

  it('at once releases clients that arrive later, but only when they are ready', async () => {
    const draining = createDraining();
    draining.release();
    expect(draining.begun).toBe(true);
    let told = false;
    draining.onRelease(() => {
      told = true;
    });
    expect(told).toBe(false);
    await Promise.resolve();
    expect(told).toBe(true);
  });
});

describe('the signal of a disconnected client', () => {
  const answer = (state: { destroyed: boolean; writableFinished: boolean }) => {
    const raw = Object.assign(new EventEmitter(), state);
    return { raw, reply: { raw } as unknown as FastifyReply };
  };

  it.each([
    ['has already disconnected', true, false, true],
    ['has received its whole answer', true, true, false],
  ])('that %s', (_what, destroyed, writableFinished, aborted) => {
    expect(hangUpSignal(answer({ destroyed, writableFinished }).reply).aborted).toBe(aborted);
  });

  it.each([
    ['in the middle of its answer', false, true],
    ['after it', true, false],
  ])('%s', (_when, writableFinished, aborted) => {
    const { raw, reply } = answer({ destroyed: false, writableFinished: false });
    const signal = hangUpSignal(reply);
    expect(signal.aborted).toBe(false);
    raw.writableFinished = writableFinished;
    raw.emit('close');
    expect(signal.aborted).toBe(aborted);
  });
});
