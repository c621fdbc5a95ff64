import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type Json, QUICK } from '../support/gateway.ts';
import { type ServingProcess, serveProcess } from '../support/processes/process.ts';
import { freshDatabase } from '../support/servers/database.ts';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';

const KEY = 'sk-process-0123456789abcdef';

it('a webhook that was being sent when its node was killed is sent by another one, with the same id', async () => {
  const database = await freshDatabase();
  const ids: string[] = [];
  const received = Promise.withResolvers<void>();
  const to = await serve((request, response) => {
    ids.push(String(request.headers['webhook-id']));
    // The first one has no answer.
    if (ids.length > 1) response.end();
    received.resolve();
  });
  const node = async (): Promise<ServingProcess> => {
    const env = {
      ONETAKE_DATA_DIR: await tempFolder(),
      ONETAKE_DATABASE_URL: database,
      ONETAKE_BOOTSTRAP_KEY: KEY,
      ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1',
    };
    return serveProcess(env, (child) =>
      onTestFinished(async () => {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }),
    );
  };
  const call = async ({ base }: ServingProcess, path: string, init: RequestInit = {}): Promise<Json> => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    return (await fetch(`${base}${path}`, { ...init, headers })).json();
  };

  const first = await node();
  const body = JSON.stringify({ ...QUICK, duration: 20, resolution: '1080p', webhook_url: to.origin });
  const { task_id: task } = await call(first, '/v1/video/generations', { method: 'POST', body });
  await call(first, `/v1/video/generations/${task}/cancel`, { method: 'POST', body: '{}' });
  await received.promise;
  await first.stop('SIGKILL');

  const second = await node();
  await eventually(async () => {
    const { data } = await call(second, `/v1/webhook_deliveries?task_id=${task}`);
    expect(data).toMatchObject([{ state: 'delivered', tries: 1, event_id: ids[0] }]);
  }, 100_000);
  expect(ids).toEqual([ids[0], ids[0]]);
});
