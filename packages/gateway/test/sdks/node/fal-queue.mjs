// @fal-ai/client. It knows only fal's own host, so its hook for requests leads to the simulator.
import assert from 'node:assert/strict';
import { drive } from './driver.mjs';

await drive('@fal-ai/client', async ({ url, key, model, worked, store }, fal) => {
  const requestMiddleware = async (request) => ({
    ...request,
    url: request.url.replace('https://queue.fal.run', url),
  });
  const client = fal.createFalClient({ credentials: key, requestMiddleware });
  const input = { prompt: 'a paper boat', duration: '4s' };

  const { request_id: requestId } = await client.queue.submit(model, { input });
  worked('create');

  const logs = [];
  const done = await client.queue.subscribeToStatus(model, {
    requestId,
    logs: true,
    pollInterval: 20,
    onQueueUpdate: (update) => logs.push(...(update.logs ?? [])),
  });
  assert.equal(done.status, 'COMPLETED');
  assert.ok(logs.length > 0 && logs.every(({ message, timestamp }) => message && timestamp));
  worked('poll');

  const { data } = await client.queue.result(model, { requestId });
  await store(await fetch(data.video.url));
  worked('link');
  assert.ok((await client.subscribe(model, { input, pollInterval: 20 })).data.video.url);

  const held = await client.queue.submit(model, { input: { ...input, prompt: 'a boat [hold]' } });
  await client.queue.cancel(model, { requestId: held.request_id });
  await assert.rejects(client.queue.result(model, { requestId: held.request_id }), { status: 499 });
  worked('cancel');

  const wrong = client.subscribe(model, { input: { ...input, duration: '5s' }, pollInterval: 20 });
  await assert.rejects(wrong, fal.ValidationError);
  const stranger = fal.createFalClient({ credentials: 'wrong:key', requestMiddleware });
  await assert.rejects(
    stranger.queue.submit(model, { input }),
    (error) => error instanceof fal.ApiError && error.status === 401,
  );
  worked('refusals');
});
