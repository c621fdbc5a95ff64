import { connect } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createMetrics, type MetricsProcess } from '../../src/observability/metrics.ts';
import { KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { rawRequest } from '../support/http/rawRequest.ts';

const NONE = () => [];
const metricsOf = (process?: MetricsProcess) =>
  createMetrics(() => 0, NONE, { version: '1.2.3', ...process });

/** The series of a metric, by what stands between the braces. */
function seriesOf(text: string, name: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`));
  return new Map(
    lines.map((line) => {
      const [, labels = '', value] = /\{(.*)\} (\S+)$/.exec(line) ?? [];
      return [labels, Number(value)];
    }),
  );
}

describe('metrics of requests', () => {
  it('have a series of each declared status at 0, and of another one once it is answered', async () => {
    const metrics = metricsOf();
    const route = metrics.route('GET', '/v1/things/:id', [200, 404]);
    const counts = async () => seriesOf(await metrics.text(), 'onetake_http_requests_total');
    const labels = (status: number) => `method="GET",route="/v1/things/:id",status="${status}"`;
    expect([...(await counts())]).toEqual([
      [labels(200), 0],
      [labels(404), 0],
    ]);
    route.answered(200, 1);
    route.answered(200, 1);
    route.answered(503, 1);
    expect([...(await counts())]).toEqual([
      [labels(200), 2],
      [labels(404), 0],
      [labels(503), 1],
    ]);
  });

  it('have cumulative buckets, whose bounds belong to them, and leave out the times of held answers', async () => {
    const metrics = metricsOf();
    const route = metrics.route('GET', '/', [200]);
    for (const ms of [0.2, 1, 1.01, 30_000, 31_000]) route.answered(200, ms);
    route.answered(200, undefined);
    const text = await metrics.text();
    const buckets = seriesOf(text, 'onetake_http_request_duration_seconds_bucket');
    const at = (le: string) => buckets.get(`le="${le}",method="GET",route="/"`);
    expect([at('0.001'), at('0.005'), at('5'), at('30'), at('+Inf')]).toEqual([2, 3, 3, 4, 5]);
    const [sum] = seriesOf(text, 'onetake_http_request_duration_seconds_sum').values();
    expect(sum).toBeCloseTo(61.00221);
    expect([...seriesOf(text, 'onetake_http_request_duration_seconds_count').values()]).toEqual([5]);
    expect([...seriesOf(text, 'onetake_http_requests_total').values()]).toEqual([6]);
  });

  it('of several processes are shown together, each with its number', async () => {
    const others: (() => Promise<readonly object[]>)[] = [];
    const shared = (worker: number) => ({
      labels: { worker: String(worker) },
      share: (own: () => Promise<readonly object[]>) => void others.push(own),
      ofAll: () => Promise.all(others.map((own) => own())),
    });
    const [one, two] = [1, 2].map((worker) => metricsOf({ sharedMetrics: shared(worker) }));
    for (const metrics of [one, two]) metrics?.route('GET', '/', [200]).answered(200, 2);
    one?.route('POST', '/', [200]).answered(200, 2);
    const text = (await one?.text()) ?? '';
    expect([...seriesOf(text, 'onetake_http_requests_total')].sort()).toEqual([
      ['method="GET",route="/",status="200",worker="1"', 1],
      ['method="GET",route="/",status="200",worker="2"', 1],
      ['method="POST",route="/",status="200",worker="1"', 1],
    ]);
    expect(seriesOf(text, 'onetake_http_request_duration_seconds_count').size).toBe(3);
  });

  it('of the processes are told apart, whatever prom-client would make of them together', async () => {
    const others: (() => Promise<readonly object[]>)[] = [];
    const both = [1, 2].map((worker) =>
      metricsOf({
        processMetrics: true,
        sharedMetrics: {
          labels: { worker: String(worker) },
          share: (own) => void others.push(own),
          ofAll: () => Promise.all(others.map((own) => own())),
        },
      }),
    );
    const text = (await both[0]?.text()) ?? '';
    for (const name of [
      'process_start_time_seconds',
      'nodejs_eventloop_lag_p99_seconds',
      'nodejs_eventloop_lag_max_seconds',
    ]) {
      expect([...seriesOf(text, name).keys()].sort()).toEqual(['worker="1"', 'worker="2"']);
    }
  });

  it('of the process are there if it is the gateway alone', async () => {
    expect(await metricsOf().text()).not.toMatch(/^process_/m);
    const text = await metricsOf({ processMetrics: true }).text();
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(text).toMatch(new RegExp(`^${name} \\d`, 'm'));
    }
    expect(text).toMatch(/^onetake_build_info\{version="1\.2\.3",node="v\d+/m);
  });
});

describe('a gateway counts', () => {
  async function started(): Promise<{
    t: TestGateway;
    counts: () => Promise<Map<string, number>>;
    text: () => Promise<string>;
  }> {
    const t = await startTestGateway();
    onTestFinished(() => t.end());
    const text = async () => (await fetch(`${t.gateway.address}/metrics`)).text();
    return { t, text, counts: async () => seriesOf(await text(), 'onetake_http_requests_total') };
  }
  const labels = (method: string, route: string, status: number) =>
    `method="${method}",route="${route}",status="${status}"`;

  it('every documented answer but for HEAD, and every end of a task of a model that works, from the start', async () => {
    const { t, counts, text } = await started();
    const { paths } = (await t.json('/openapi.json')).body as {
      paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    };
    const series = await counts();
    const expected = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([method]) => method !== 'head')
        .flatMap(([method, { responses }]) =>
          Object.keys(responses)
            // What the HTTP parser refuses never reaches a route.
            .filter((status) => status !== '431')
            .map((status) =>
              labels(method.toUpperCase(), path.replaceAll(/\{(\w+)\}/g, ':$1'), Number(status)),
            ),
        ),
    );
    expect(expected.length).toBeGreaterThan(100);
    expect(expected.filter((one) => !series.has(one))).toEqual([]);
    const ends = seriesOf(await text(), 'onetake_tasks_finished_total');
    expect(ends.get('model="onetake-preview",reason="submission_unknown"')).toBe(0);
    expect([...ends.keys()].some((one) => one.includes('veo'))).toBe(false);
  });

  it('what a client breaks off, what it leaves, and what is no HTTP', async () => {
    const { t, counts, text } = await started();
    const { hostname, port } = new URL(t.gateway.address);
    const until = async (series: string) => {
      while (!((await counts()).get(series) ?? 0)) await new Promise(setImmediate);
    };
    const stop = new AbortController();
    const events = await t.call('/v1/events', { signal: stop.signal });
    expect(events.status).toBe(200);
    stop.abort();
    await until(labels('GET', '/v1/events', 200));

    const { task_id: id } = (await t.submit({ model: 'onetake-preview', prompt: 'a kite', duration: 4 }))
      .body;
    const socket = connect(Number(port), hostname);
    socket.write(
      `GET /v1/video/generations/${id}?wait=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${KEY}\r\n\r\n`,
    );
    await vi.waitFor(async () => expect((await t.json('/readyz')).status).toBe(200));
    socket.destroy();
    await until(labels('GET', '/v1/video/generations/:task_id', 499));

    await rawRequest(t.gateway.address, 'nonsense\r\n\r\n');
    await rawRequest(t.gateway.address, `GET /v1/%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect((await counts()).get(labels('other', 'none', 400))).toBe(2);
    const timed = seriesOf(await text(), 'onetake_http_request_duration_seconds_count');
    expect(
      [...timed.keys()].filter((series) => series.includes('/v1/events') || series.includes(':task_id')),
    ).toEqual([]);
  });

  it('queries by either path, held ones without their time, and what does not exist without a series for each', async () => {
    const { t, counts, text } = await started();
    const { task_id: id } = (await t.submit({ model: 'onetake-preview', prompt: 'a kite' })).body;
    const url = `/v1/video/generations/${id}`;
    await t.call(url);
    await t.call(url);
    await t.call(`${url}?wait=1&wait_for=change`);
    for (const path of ['/nowhere', '/elsewhere']) await t.call(path);
    for (const method of ['PATCH', 'PUT']) await t.call('/v1/models', { method });

    const series = await counts();
    const query = '/v1/video/generations/:task_id';
    expect(series.get(labels('GET', query, 200))).toBe(3);
    expect(series.get(labels('POST', '/v1/video/generations', 200))).toBe(1);
    expect(series.get(labels('other', 'none', 404))).toBe(2);
    expect(series.get(labels('other', '/v1/models', 405))).toBe(2);
    const times = seriesOf(await text(), 'onetake_http_request_duration_seconds_count');
    expect(times.get(`method="GET",route="${query}"`)).toBe(2);
  });
});
