import { afterAll, beforeAll, expect, it } from 'vitest';
import { ErrorAnswer } from '../../../src/api/schemas.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';

const DAY_MS = 86_400_000;
let ahead = 0;
let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway({}, { clock: { now: () => Date.now() + ahead } });
});
afterAll(() => t.end());

it('a video exists for seven days; after that its downloads are answered with 410 and the reason', async () => {
  const task = await t.finished();
  const content = `/v1/video/generations/${task.task_id}/content`;
  ahead = 6.9 * DAY_MS;
  // The first link has expired by now; a query returns a new one.
  const { body } = await t.json(`/v1/video/generations/${task.task_id}`);
  expect(body.url).not.toBe(task.url);
  expect((await fetch(body.url)).status).toBe(200);
  expect((await t.call(content)).status).toBe(200);

  ahead = 7.1 * DAY_MS;
  for (const path of [content, `/v1/video/generations/download?id=${task.task_id}`]) {
    const { status, body: answer } = await t.json(path);
    expect(status).toBe(410);
    expect(ErrorAnswer.parse(answer).error.message).toMatch(/kept until/);
  }
  expect((await fetch(body.url)).status).toBe(410);
  expect((await t.json(`/v1/video/generations/${task.task_id}`)).body.status).toBe('succeeded');
});
