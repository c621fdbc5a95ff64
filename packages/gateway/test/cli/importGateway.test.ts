import { afterAll, expect, it, onTestFinished } from 'vitest';
import { type Json, QUICK } from '../support/gateway.ts';
import { onetake } from '../support/processes/commandLine.ts';
import { type ServingProcess, serveProcess } from '../support/processes/process.ts';
import { bucketSettings, closeBuckets, freshBucket } from '../support/servers/bucket.ts';
import { freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';

afterAll(closeBuckets);

/** A red image of 64 by 64 pixels, as PNG in base64. */
const RED =
  'iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAT0lEQVR42u3PQQkAAAgEsEty/aMYywi+hcEKLNO+FgEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQGBywLKp0DxvxLbjwAAAABJRU5ErkJggg==';

const serve = (env: Record<string, string>): Promise<ServingProcess> =>
  serveProcess(env, (child) => onTestFinished(() => void child.kill('SIGKILL')));

/** A client with one key, for any gateway. */
function clientOf(base: string, key: string) {
  const json = async (path: string, init: RequestInit = {}): Promise<Json> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...init.headers };
    return (await fetch(base + path, { ...init, headers })).json();
  };
  return {
    json,
    submit: (body: object, once: string) =>
      json('/v1/video/generations', {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'idempotency-key': once },
      }),
    async ended(id: string): Promise<Json> {
      for (;;) {
        const task = await json(`/v1/video/generations/${id}?wait=30`);
        if (task.status === 'succeeded' || task.status === 'failed') return task;
      }
    },
  };
}

it('a gateway on PostgreSQL and a bucket continues where the embedded one was killed: keys, links, retries, tasks', async () => {
  const dir = await tempFolder();
  const embedded = await serve({ ONETAKE_DATA_DIR: dir });
  const key = /^\s+(sk-\S+)$/m.exec(embedded.greeting)?.[1] ?? '';
  const before = clientOf(embedded.base, key);
  const { task_id: done } = await before.submit(QUICK, 'once');
  const { url: link } = await before.ended(done);
  const video = Buffer.from(await (await fetch(link)).arrayBuffer());
  // One that is being rendered from an image, and others that wait for it.
  const bodies = Array.from({ length: 2 }, (_, seed) => ({ ...QUICK, image: RED, duration: 4, seed }));
  const submitted = await Promise.all(bodies.map((body, n) => before.submit(body, `more-${n}`)));
  const ids: string[] = submitted.map(({ task_id }) => task_id);
  expect(ids).toEqual(ids.map(() => expect.any(String)));
  await embedded.stop('SIGKILL');

  const [url, bucket] = await Promise.all([freshDatabase(), freshBucket()]);
  const env = {
    ONETAKE_DATABASE_URL: url,
    ONETAKE_DATA_DIR: await tempFolder(),
    ...bucketSettings(bucket),
  };
  expect(await onetake(env, 'import', '--from', dir)).toMatchObject({ code: 0 });
  const shared = await serve(env);
  expect(shared.greeting).not.toContain('sk-');
  const after = clientOf(shared.base, key);

  // Links name the address under which they were returned, and are signed without it.
  const { pathname, search } = new URL(link);
  const again = await fetch(shared.base + pathname + search);
  expect(again.status).toBe(200);
  expect(Buffer.from(await again.arrayBuffer())).toEqual(video);
  expect(await after.submit(QUICK, 'once')).toMatchObject({ task_id: done });
  for (const [n, id] of ids.entries()) {
    expect(await after.submit(bodies[n] ?? {}, `more-${n}`)).toMatchObject({ task_id: id });
    expect(await after.ended(id)).toMatchObject({ status: 'succeeded', duration: 4 });
  }
  const list = await after.json('/v1/video/generations?limit=100');
  expect(list.data).toHaveLength(ids.length + 1);
});
