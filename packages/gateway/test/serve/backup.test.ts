import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, onTestFinished } from 'vitest';
import { QUICK, startTestGateway } from '../support/gateway.ts';
import { tempFolder } from '../support/tempFolder.ts';

it('a backup as in docs/operations.md, of a running gateway, has every task and video of that moment', async () => {
  const running = await startTestGateway();
  onTestFinished(() => running.end());
  const finished = await running.finished();
  const video = await (await running.call(`/v1/video/generations/${finished.task_id}/content`)).arrayBuffer();

  // The same as `sqlite3 … ".backup …"` beside the gateway; then the media.
  const restored = await tempFolder();
  const database = new Database(join(running.dataDir, 'onetake.db'), { readonly: true });
  await database.backup(join(restored, 'onetake.db'));
  database.close();
  await cp(join(running.dataDir, 'media'), join(restored, 'media'), { recursive: true });
  const { body: later } = await running.submit(QUICK);

  const again = await startTestGateway({}, { dataDir: restored });
  onTestFinished(() => again.end());
  const path = `/v1/video/generations/${finished.task_id}`;
  expect((await again.json(path)).body).toMatchObject({ status: 'succeeded', bytes: video.byteLength });
  expect(Buffer.from(await (await again.call(`${path}/content`)).arrayBuffer())).toEqual(Buffer.from(video));
  expect((await again.json(`/v1/video/generations/${later.task_id}`)).status).toBe(404);
});
