import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { keepConnection } from '../support/http/keptConnection.ts';
import { type ServingProcess, serveProcess } from '../support/processes/process.ts';
import { startRoundRobin } from '../support/servers/roundRobin.ts';
import { tempFolder } from '../support/tempFolder.ts';

const KEY = 'sk-process-0123456789abcdef';
const CLIENTS = 4;

const running = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of running) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  running.clear();
});

const serve = (dataDir: string, env: Record<string, string> = {}): Promise<ServingProcess> =>
  serveProcess({ ONETAKE_DATA_DIR: dataDir, ONETAKE_BOOTSTRAP_KEY: KEY, ...env }, (child) =>
    running.add(child),
  );

/** Sends requests on one kept connection, as fast as responses come. */
function askWithoutPause(origin: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const failures: string[] = [];
  let answers = 0;
  let stopped = false;
  const ended = (async () => {
    while (!stopped) {
      try {
        const asked = request(`${origin}/v1/models`, { agent, headers: { authorization: `Bearer ${KEY}` } });
        asked.end();
        const [response]: IncomingMessage[] = await once(asked, 'response');
        if (!response) throw new Error('no response');
        let body = '';
        for await (const chunk of response) body += chunk;
        if (response.statusCode === 200) answers += 1;
        else failures.push(`${response.statusCode}: ${body.slice(0, 200)}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
    agent.destroy();
  })();
  return {
    async stop() {
      stopped = true;
      await ended;
      return { failures, answers };
    },
  };
}

it('a rolling restart of two nodes behind a load balancer fails no request of clients that never pause', async () => {
  const env = { ONETAKE_DRAIN_DELAY_SECONDS: '1' };
  const nodes = await Promise.all(
    [await tempFolder(), await tempFolder()].map(async (dataDir) => ({
      dataDir,
      process: await serve(dataDir, env),
    })),
  );
  const balancer = await startRoundRobin(nodes.map((node) => node.process.base));
  const clients = Array.from({ length: CLIENTS }, () => askWithoutPause(balancer.origin));

  /** Resolves once the node has answered a client that it has not answered before. */
  async function answersMore(base: string): Promise<void> {
    const before = balancer.answered.get(base) ?? 0;
    while ((balancer.answered.get(base) ?? 0) === before) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  for (const node of nodes) {
    const { base } = node.process;
    await answersMore(base);
    expect(await node.process.stop()).toBe(0);
    await balancer.is(base, 'out');
    node.process = await serve(node.dataDir, { ...env, ONETAKE_PORT: new URL(base).port });
    await balancer.is(base, 'in');
    await answersMore(base);
  }

  const ends = await Promise.all(clients.map((client) => client.stop()));
  expect(ends.flatMap((end) => end.failures)).toEqual([]);
  for (const { answers } of ends) expect(answers).toBeGreaterThan(0);
});

it('during the drain delay: not ready at once, tasks are still accepted, and every response ends its connection', async () => {
  const { child, base, stop } = await serve(await tempFolder(), { ONETAKE_DRAIN_DELAY_SECONDS: '2' });
  const kept = await keepConnection(base, KEY);
  expect((await kept.get('/v1/models')).headers.get('connection')).toBe('keep-alive');
  const ready = await fetch(`${base}/readyz`);
  expect(await ready.json()).toEqual({
    status: 'ready',
    parts: { store: 'ok', feed: 'ok', upstreams: 'ok', storage: 'ok' },
    unfinished_tasks: 0,
  });

  const told = once(child.stderr ?? child, 'data');
  const exited = stop();
  await told;
  const probe = await fetch(`${base}/readyz`);
  expect(probe.status).toBe(503);
  expect(probe.headers.get('retry-after')).toBe('2');
  expect(await probe.json()).toEqual({
    error: expect.objectContaining({ code: 503, reason: 'draining', message: expect.any(String) }),
    status: 'not_ready',
    unfinished_tasks: 0,
  });
  expect((await fetch(`${base}/healthz`)).status).toBe(200);
  const submitted = await fetch(`${base}/v1/video/generations`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'onetake-preview', prompt: 'a kite', duration: 1, resolution: '480p' }),
  });
  expect(submitted.status).toBe(200);
  expect(submitted.headers.get('connection')).toBe('close');
  expect((await kept.get('/v1/models')).headers.get('connection')).toBe('close');
  for (const path of ['/nothing', '/%']) {
    expect((await fetch(base + path)).headers.get('connection')).toBe('close');
  }
  await kept.ended;
  expect(await exited).toBe(0);
});
