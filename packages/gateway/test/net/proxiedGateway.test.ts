import { Readable } from 'node:stream';
import { startSimulators } from '@onetake/simulators';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { SOAKED, WIDE_LIMITS } from '../../../../chaos/shared/families.ts';
import { settingsAtSpeed } from '../../../../scripts/families.ts';
import { createS3Storage } from '../../src/media/s3/storage.ts';
import { startTestGateway } from '../support/gateway.ts';
import { readAll } from '../support/http/readAll.ts';
import { closeBuckets, freshBucket } from '../support/servers/bucket.ts';
import { startProxy } from '../support/servers/proxyServer.ts';

/** A second of the upstreams' time lasts 5 ms. */
const SPEED = 200;

afterAll(closeBuckets);

it('a video of each family is made, polled and downloaded through the proxy in the environment', async () => {
  const simulators = await startSimulators({ scale: 1 / SPEED, limits: false });
  onTestFinished(() => simulators.close());
  const proxy = await startProxy('gate:way');
  const t = await startTestGateway(
    { ...simulators.environment, http_proxy: proxy.url },
    { file: settingsAtSpeed(SPEED, simulators.environment, WIDE_LIMITS) },
  );
  onTestFinished(() => t.end());
  await Promise.all(
    SOAKED.map(({ model }) =>
      t.finished({
        model,
        prompt: 'a paper boat',
        duration: undefined,
        resolution: undefined,
        seed: undefined,
      }),
    ),
  );
  for (const { upstream } of SOAKED) {
    const origin = simulators.urls[upstream];
    const asked = proxy.asked.filter((line) => line.includes(`${origin}/`));
    expect(
      asked.some((line) => line.startsWith('POST ')),
      upstream,
    ).toBe(true);
    expect(asked.filter((line) => line.startsWith('GET ')).length, upstream).toBeGreaterThan(0);
  }
}, 60_000);

it('a bucket is read and written through the proxy, and without it if NO_PROXY says so', async () => {
  const proxy = await startProxy();
  const through = async (noProxy: readonly string[]) => {
    const storage = createS3Storage(await freshBucket({ proxies: { httpProxy: proxy.url, noProxy } }));
    const write = await storage.write('video/x.mp4');
    await write.append(Readable.from([Buffer.from('bytes')]), 0);
    await write.commit();
    expect(String(await readAll(await storage.read('video/x.mp4')))).toBe('bytes');
  };
  await through(['127.0.0.1']);
  expect(proxy.asked).toEqual([]);
  await through([]);
  const verbs = proxy.asked.map((line) => line.split(' ')[0]);
  expect(verbs).toEqual(expect.arrayContaining(['PUT', 'GET']));
});

it('a proxy that refuses everything is reported as such, and no task counts as submitted', async () => {
  const simulators = await startSimulators({ only: ['openai'], scale: 1 / SPEED, limits: false });
  onTestFinished(() => simulators.close());
  const proxy = await startProxy('gate:way');
  const t = await startTestGateway({
    ...simulators.environment,
    HTTP_PROXY: proxy.url.replace('gate:way', 'wrong:password'),
  });
  onTestFinished(() => t.end());
  const { body } = await t.submit({ model: 'sora-2', prompt: 'a paper boat', duration: 4 });
  const refused = () => t.log.find((line) => line.includes('nothing is submitted to it'));
  await expect.poll(refused).toMatch(/Proxy Authentication Required/);
  expect(t.log.join('')).not.toContain('task.driver_failed');
  expect((await t.json(`/v1/video/generations/${body.task_id}`)).body.status).toBe('queued');
});
