import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:net';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { soloCluster } from '../../src/cluster/cluster.ts';
import { createGuardedFetch } from '../../src/net/guardedFetch.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import type { Delivery, DeliveryClaim, WebhookEndpoint } from '../../src/store/webhooks.ts';
import { LEASE_MS } from '../../src/webhooks/claims.ts';
import { createLanes } from '../../src/webhooks/lanes.ts';
import { createWebhookSender } from '../../src/webhooks/sender.ts';
import { newSecret } from '../../src/webhooks/sign.ts';
import { createWebhooks } from '../../src/webhooks/webhooks.ts';
import { failed } from '../store/contract/events.ts';
import { anEndpoint } from '../store/contract/webhooks.ts';
import { aRequest, START_OF_TIME } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { createManualCluster } from '../support/manualCluster.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';

/** Of tests in which no try is to time out, however busy the machine is. */
const TIMEOUT_MS = 60_000;
/** Of the others. */
const SHORT_MS = 1000;
const SECRET = newSecret('hmac');

interface Message {
  readonly id: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** A receiver that notes each message and answers as it is told. */
async function receiver(answer: (response: ServerResponse, nth: number) => void) {
  const messages: Message[] = [];
  const listener: RequestListener = async (request: IncomingMessage, response) => {
    const body = (await request.setEncoding('utf8').toArray()).join('');
    const headers = request.headers as Record<string, string>;
    messages.push({ id: headers['webhook-id'] ?? '', headers, body });
    answer(response, messages.length);
  };
  return { ...(await serve(listener)), messages };
}

async function world({ lanes = createLanes() } = {}) {
  const store: Store = await openSqliteStore({ dir: await tempFolder(), exclusive: true });
  onTestFinished(() => store.close());
  const time = createManualTimers(START_OF_TIME + 1000);

  /** A node that sends. */
  function node(changes: Partial<Parameters<typeof createWebhookSender>[0]> = {}) {
    const sender = createWebhookSender({
      store,
      clock: time,
      timers: time,
      log: pino({ level: 'silent' }),
      cluster: soloCluster('node'),
      fetch: createGuardedFetch({
        allowHosts: ['127.0.0.1'],
        lookup: (_host, _options, callback) => callback(null, [{ address: '10.0.0.1', family: 4 }]),
      }),
      render: async ({ id, type, task }) => ({ id, type, data: { task_id: task.id } }),
      timeoutMs: TIMEOUT_MS,
      random: () => 0,
      lanes,
      ...changes,
    });
    sender.start();
    onTestFinished(() => sender.stop());
    return sender;
  }

  async function endpoint(url: string, changes: Partial<WebhookEndpoint> = {}): Promise<WebhookEndpoint> {
    const made = anEndpoint({ url, ...changes });
    await store.addEndpoint(made, SECRET, 100);
    return made;
  }

  /** Lets a moment pass, in which nodes look for what is due. */
  const pass = (ms = 100) => time.moveTo(time.trueTime() + ms);

  /** The only delivery, or that of an endpoint, once it is as wanted. Lets time pass until then. */
  const until = (wanted: Partial<Delivery>, of?: WebhookEndpoint): Promise<Delivery> =>
    eventually(async () => {
      pass();
      const list = await store.deliveries({ projectId: 'project', limit: 100, endpointId: of?.id });
      const found = list.find((one) =>
        Object.entries(wanted).every(([k, v]) => one[k as keyof Delivery] === v),
      );
      if (!found) throw new Error(`none is ${JSON.stringify(wanted)}: ${JSON.stringify(list)}`);
      return found;
    });

  return { store, time, node, endpoint, pass, until };
}

/** What the package of Standard Webhooks makes of a message, at the time of its signature. */
function verified({ headers, body }: Message, secret = SECRET): unknown {
  vi.useFakeTimers({ toFake: ['Date'], now: Number(headers['webhook-timestamp']) * 1000 });
  try {
    return new Webhook(secret).verify(body, headers);
  } finally {
    vi.useRealTimers();
  }
}

describe('a webhook', () => {
  it('is sent at once, signed, with the answer about the task', async () => {
    const { store, node, endpoint, until, time } = await world();
    const to = await receiver((response) => response.end('thanks'));
    await endpoint(`${to.origin}/hook?a=1`);
    const sender = node();
    const task = await failed(store);
    const delivery = await until({ state: 'delivered' });
    expect(delivery).toMatchObject({ tries: 1, status: 200, answer: 'thanks', taskId: task.id });
    expect(to.requests[0]).toMatchObject({ method: 'POST', url: '/hook?a=1' });
    const [message] = to.messages as [Message];
    expect(message.headers['content-type']).toBe('application/json');
    expect(message.id).toBe(delivery.eventId);
    expect(verified(message)).toEqual({ id: message.id, type: 'video.failed', data: { task_id: task.id } });
    expect(Number(message.headers['webhook-timestamp']) * 1000).toBeLessThanOrEqual(time.now());
    expect(sender.counts).toEqual({ delivered: 1, failed: 0, dead: 0 });
  });

  it('does not wait for a timer', async () => {
    const { store, node, endpoint } = await world();
    const to = await receiver((response) => response.end());
    await endpoint(to.origin);
    node();
    for (let n = 1; n <= 3; n++) {
      await failed(store);
      // No time passes here.
      await eventually(() => expect(to.messages).toHaveLength(n));
    }
  });

  it('of many that happen at once does not wait for one either', async () => {
    const { store, node, endpoint } = await world();
    const to = await receiver((response) => response.end());
    await endpoint(to.origin);
    node();
    await Promise.all(Array.from({ length: 40 }, () => failed(store)));
    await eventually(() => expect(to.messages).toHaveLength(40));
    expect(new Set(to.messages.map(({ id }) => id)).size).toBe(40);
  });

  it("of a task goes to its webhook_url, signed with the project's secret", async () => {
    const { store, node, until } = await world();
    const to = await receiver((response) => response.end());
    node();
    await failed(store, { request: aRequest({ webhookUrl: `${to.origin}/mine` }) });
    await until({ state: 'delivered' });
    const { secret } = await store.webhookSecret('project', '', () => 'none');
    verified(to.messages[0] as Message, secret);
  });

  it('is signed with both secrets for a day after a rotation', async () => {
    const { store, node, endpoint, until, time, pass } = await world();
    const to = await receiver((response) => response.end());
    const { id } = await endpoint(to.origin);
    const next = newSecret('hmac');
    await store.rotateSecret('project', id, next, time.now() + 1000);
    node();
    await failed(store);
    await until({ state: 'delivered' });
    const [first] = to.messages as [Message];
    for (const secret of [SECRET, next]) verified(first, secret);
    pass(1000);
    await failed(store);
    await eventually(() => {
      pass();
      verified(to.messages[1] as Message, next);
    });
    expect(() => verified(to.messages[1] as Message, SECRET)).toThrow();
  });
});

/** Ways to fail: what the receiver does, and what is known of it then. */
const FAILURES: readonly [string, (response: ServerResponse) => void, Partial<Delivery>][] = [
  [
    'answers 500',
    (r) => r.writeHead(500).end('x'.repeat(5000)),
    { status: 500, error: 'refused', answer: 'x'.repeat(1024) },
  ],
  ['answers 404', (r) => r.writeHead(404).end('\0'), { status: 404, error: 'refused', answer: '\ufffd' }],
  [
    'redirects',
    (r) => r.writeHead(302, { location: '/elsewhere' }).end(),
    { status: 302, error: 'redirected' },
  ],
  ['does not answer', () => undefined, { error: 'timed_out' }],
  ['answers too slowly', drip, { error: 'timed_out' }],
  ['hangs up', (r) => void r.socket?.destroy(), { error: 'unreachable' }],
  ['does not speak HTTP', (r) => void r.socket?.end('hello\r\n\r\n'), { error: 'unreachable' }],
];

/** Sends the head of an answer so slowly that it never ends. */
function drip({ socket }: ServerResponse): void {
  socket?.write('HTTP/1.1 200 OK\r\n');
  const timer = setInterval(() => socket?.write('x: y\r\n'), 20);
  socket?.once('close', () => clearInterval(timer));
}

describe('a receiver that', () => {
  it.each(FAILURES)('%s gets the same message again', async (_name, fail, known) => {
    const { store, node, endpoint, until } = await world();
    const to = await receiver((response, nth) => (nth === 1 ? fail(response) : response.end()));
    await endpoint(to.origin);
    let tries = 0;
    const fetch = createGuardedFetch({ allowHosts: ['127.0.0.1'] });
    node({
      fetch: (url, request) => fetch(url, { ...request, timeoutMs: tries++ === 0 ? SHORT_MS : TIMEOUT_MS }),
    });
    await failed(store);
    const { nextAt, triedAt = 0, latencyMs, ...first } = await until({ tries: 1 });
    expect(first).toMatchObject({ state: 'pending', ...known });
    expect(nextAt - triedAt).toBeGreaterThanOrEqual(5000);
    expect(latencyMs).toBeGreaterThanOrEqual(0);
    await until({ state: 'delivered', tries: 2 });
    expect(to.messages.map(({ id }) => id)).toEqual([first.eventId, first.eventId]);
    expect(to.messages.every((message) => verified(message))).toBe(true);
    expect(to.requests.map(({ url }) => url)).toEqual(['/', '/']);
  });

  it('refuses connections, or resolves to a private address, is tried again', async () => {
    const { store, node, endpoint, until } = await world();
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as { port: number };
    closed.close();
    await once(closed, 'close');
    const [refusing, inside] = [
      await endpoint(`http://127.0.0.1:${port}`),
      await endpoint('http://intranet.example/'),
    ];
    node();
    await failed(store);
    expect(await until({ tries: 1 }, refusing)).toMatchObject({ state: 'pending', error: 'unreachable' });
    const hidden = await until({ tries: 1 }, inside);
    expect(hidden).toMatchObject({ state: 'pending', error: 'not_public' });
    expect(JSON.stringify(hidden)).not.toContain('10.0.0.1');
  });

  it('answers 200 and never ends its body has the message', async () => {
    const { store, node, endpoint, until } = await world();
    const to = await receiver((response) => response.writeHead(200).write('so far'));
    await endpoint(to.origin);
    node({ timeoutMs: SHORT_MS });
    await failed(store);
    expect(await until({ state: 'delivered' })).toMatchObject({ status: 200, answer: 'so far' });
  });

  it('asks to be left alone for a while gets the next message later', async () => {
    const { store, node, endpoint, until } = await world();
    const to = await receiver((response) => response.writeHead(503, { 'retry-after': '600' }).end());
    await endpoint(to.origin);
    node();
    await failed(store);
    const { nextAt, triedAt = 0 } = await until({ tries: 1 });
    expect(nextAt - triedAt).toBeGreaterThanOrEqual(600_000);
  });

  it('answers 410 is disabled, and gets nothing more', async () => {
    const { store, node, endpoint, until } = await world();
    const to = await receiver((response) => response.writeHead(410).end());
    const { id } = await endpoint(to.origin);
    const sender = node();
    await failed(store);
    expect(await until({ state: 'dead' })).toMatchObject({ tries: 1, status: 410, error: 'gone' });
    expect(await store.endpoint('project', id)).toMatchObject({ disabledReason: 'gone' });
    await failed(store);
    expect(await store.pendingDeliveries()).toBe(0);
    expect(sender.counts).toEqual({ delivered: 0, failed: 1, dead: 1 });
  });

  it('never works gets ten tries in three days; then the message can be sent again', async () => {
    const { store, node, endpoint, until, time } = await world();
    let works = false;
    const to = await receiver((response) => response.writeHead(works ? 204 : 500).end());
    await endpoint(to.origin);
    node();
    await failed(store);
    const begun = time.now();
    for (let tries = 1; tries < 10; tries++) {
      const { nextAt } = await until({ state: 'pending', tries });
      time.moveTo(nextAt);
    }
    const { id } = await until({ state: 'dead', tries: 10 });
    expect((time.now() - begun) / 86_400_000).toBeCloseTo(3.15, 1);
    expect(to.messages).toHaveLength(10);
    works = true;
    await store.redeliver('project', id, time.now());
    await until({ state: 'delivered', tries: 1 });
    expect(new Set(to.messages.map((message) => message.id)).size).toBe(1);
  });
});

describe('a webhook that cannot be made', () => {
  const broken = 'the answer cannot be made';
  /** What is wrong with it, and how that is brought about. */
  const FAULTS: readonly [string, Partial<Parameters<typeof createWebhookSender>[0]>, string][] = [
    ['answer', { render: () => Promise.reject(new Error(broken)) }, SECRET],
    ['secret', {}, 'whsk_no key'],
    ['way to send it', { fetch: () => Promise.reject(new TypeError(broken)) }, SECRET],
  ];

  it.each(FAULTS)(
    'for want of its %s follows the schedule, and is dead in the end',
    async (_, parts, secret) => {
      const { store, node, until, time } = await world();
      const to = await receiver((response) => response.end());
      await store.addEndpoint(anEndpoint({ url: to.origin, signature: 'ed25519' }), secret, 100);
      const warn = vi.fn();
      node({ ...parts, log: Object.assign(pino({ level: 'silent' }), { warn }) });
      await failed(store);
      const begun = time.now();
      for (let tries = 1; tries < 10; tries++) {
        const { nextAt, error } = await until({ state: 'pending', tries });
        expect(error).toBe('not_sent');
        time.moveTo(nextAt);
      }
      expect(await until({ state: 'dead' })).toMatchObject({ tries: 10, error: 'not_sent' });
      expect((time.now() - begun) / 86_400_000).toBeCloseTo(3.15, 1);
      expect(warn.mock.calls.filter(([facts]) => facts.event === 'webhook.not_sent')).toHaveLength(10);
      expect(to.messages).toHaveLength(0);
    },
  );
});

describe('an endpoint in trouble', () => {
  it('does not delay another one, whatever is due for it', async () => {
    const { store, node, endpoint, until } = await world();
    const hanging = await receiver(() => undefined);
    const good = await receiver((response) => response.end());
    await endpoint(hanging.origin);
    const to = await endpoint(good.origin);
    // What goes to the good one does not wait for its timeout.
    node();
    for (let n = 0; n < 30; n++) await failed(store);
    await eventually(async () => {
      await until({ state: 'delivered' }, to);
      expect(good.messages).toHaveLength(30);
    });
    expect(hanging.messages).toHaveLength(2);
  });
});

describe('a node', () => {
  it('that is killed while it sends is followed by another one, with the same message', async () => {
    const { store, node, endpoint, until, pass } = await world();
    const to = await receiver((response, nth) => nth > 1 && response.end());
    await endpoint(to.origin);
    // It does not write how its tries end, as if it were dead.
    const death = Promise.withResolvers<boolean>();
    let alive = true;
    node({
      store: { ...store, finishDelivery: () => death.promise },
      cluster: { ...soloCluster('dying'), hasLease: () => alive },
    });
    onTestFinished(() => death.resolve(false));
    await failed(store);
    await eventually(() => {
      pass();
      expect(to.messages).toHaveLength(1);
    });
    alive = false;
    node();
    pass(LEASE_MS);
    await until({ state: 'delivered', tries: 1 });
    expect(to.messages.map(({ id }) => id)).toEqual([to.messages[0]?.id, to.messages[0]?.id]);
  });

  it('that stops gives back what it is sending', async () => {
    const { store, node, endpoint, pass } = await world();
    const to = await receiver(() => undefined);
    await endpoint(to.origin);
    const sender = node();
    await failed(store);
    await eventually(() => {
      pass();
      expect(to.messages).toHaveLength(1);
    });
    await sender.stop();
    const [delivery] = await store.deliveries({ projectId: 'project', limit: 9 });
    expect(delivery).toMatchObject({ state: 'pending', tries: 0 });
    expect(delivery).not.toHaveProperty('leasedUntil');
  });

  it('without a lease sends nothing', async () => {
    const { store, node, endpoint, pass } = await world();
    await endpoint('http://127.0.0.1:1/');
    const claimed = vi.spyOn(store, 'claimDeliveries');
    let asked = 0;
    const hasLease = () => {
      asked += 1;
      return false;
    };
    node({ cluster: { ...soloCluster('node'), hasLease } });
    await failed(store);
    await eventually(() => {
      pass(5000);
      expect(asked).toBeGreaterThan(2);
    });
    expect(claimed).not.toHaveBeenCalled();
  });

  it('that could not read what is due looks again within about a second', async () => {
    const { store, node, endpoint, time } = await world();
    const to = await receiver((response) => response.end());
    await endpoint(to.origin);
    await failed(store);
    const claimDeliveries = vi
      .fn(store.claimDeliveries)
      .mockRejectedValueOnce(new Error('the database is away'))
      .mockRejectedValueOnce(new Error('the database is still away'));
    node({ store: { ...store, claimDeliveries } });
    const begun = time.trueTime();
    for (const n of [1, 2])
      await eventually(() => {
        expect(time.nextAt()).toBe(begun + n * 1000);
        time.moveTo(begun + n * 1000);
      });
    await eventually(() => expect(to.messages).toHaveLength(1));
    expect(claimDeliveries.mock.calls.length).toBeGreaterThan(2);
  });

  it('that found only what another one was taking looks again soon, and once it has taken some at once', async () => {
    const { store, node, endpoint, time } = await world();
    const to = await receiver((response) => response.end());
    await endpoint(to.origin);
    await failed(store);
    await failed(store);
    const only = (most: number) => async (claim: DeliveryClaim) => {
      const { claimed } = most > 0 ? await store.claimDeliveries({ ...claim, limit: most }) : { claimed: [] };
      return { claimed, skippedSome: true };
    };
    const claimDeliveries = vi
      .fn(store.claimDeliveries)
      .mockImplementationOnce(only(0))
      .mockImplementationOnce(only(1));
    node({ store: { ...store, claimDeliveries } });
    const begun = time.trueTime();
    await eventually(() => expect(time.nextAt()).toBe(begun + 100));
    expect(claimDeliveries).toHaveBeenCalledTimes(1);
    time.moveTo(begun + 100);
    await eventually(() => expect(to.messages).toHaveLength(2));
    expect(time.nextAt()).toBe(begun + 5000);
  });

  it('that has a lease again sends at once, or within about a second if it is not told', async () => {
    const { store, node, endpoint, time } = await world();
    const to = await receiver((response) => response.end());
    await endpoint(to.origin);
    const cluster = createManualCluster();
    cluster.lose();
    await failed(store);
    node({ cluster });
    cluster.rejoin('node-2');
    await eventually(() => expect(to.messages).toHaveLength(1));
    cluster.freeze();
    await failed(store);
    const begun = time.trueTime();
    await eventually(() => expect(time.nextAt()).toBe(begun + 1000));
    cluster.freeze(false);
    time.moveTo(begun + 1000);
    await eventually(() => expect(to.messages).toHaveLength(2));
  });
});

describe('a test of an endpoint', () => {
  it('gives its place to what waits, when it ends', async () => {
    const { store, node, endpoint, time } = await world();
    const held: ServerResponse[] = [];
    const to = await receiver((response, nth) => (nth <= 2 ? held.push(response) : response.end()));
    const of = await endpoint(to.origin);
    const claims = vi.spyOn(store, 'claimDeliveries');
    const sender = node();
    const { test } = createWebhooks({ store, sender, clock: time, checkUrl: () => undefined });
    const tests = [test(of), test(of)];
    await eventually(() => expect(held).toHaveLength(2));
    const before = claims.mock.calls.length;
    await failed(store);
    await eventually(() => expect(claims.mock.calls.length).toBeGreaterThan(before));
    await Promise.all(claims.mock.results.map(({ value }) => value));
    expect(to.messages).toHaveLength(2);
    // No time passes: nothing but the end of a test makes the node look.
    for (const response of held) response.writeHead(500).end();
    await Promise.all(tests);
    await eventually(() => expect(to.messages).toHaveLength(3));
  });
});
