// openai-node at OpenAI and at Azure.
import assert from 'node:assert/strict';
import { drive, image, until, webhook } from './driver.mjs';

await drive('openai', async ({ url, key, model, worked, store }, { default: OpenAI, toFile }) => {
  const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
  const { videos } = client;
  const short = { model, seconds: '4', size: '1280x720' };
  const finished = ({ id }) =>
    until(
      ({ status }) => /completed|failed/.test(status),
      () => videos.retrieve(id),
    );

  const picture = await toFile(image, 'boat.png', { type: 'image/png' });
  const video = await videos.create({ ...short, prompt: 'a paper boat', input_reference: picture });
  assert.equal(video.status, 'queued');
  worked('create');

  const { OPENAI_WEBHOOK_SECRET: secret } = process.env;
  const { body, headers } = await webhook(video.id);
  const event = await client.webhooks.unwrap(body, headers, secret);
  assert.deepEqual([event.type, event.data.id], ['video.completed', video.id]);
  const changed = client.webhooks.unwrap(`${body} `, headers, secret);
  await assert.rejects(changed, OpenAI.InvalidWebhookSignatureError);
  worked('webhook');

  const { status, progress } = await finished(video);
  assert.deepEqual([status, progress], ['completed', 100]);
  worked('poll');

  await store(await videos.downloadContent(video.id));
  worked('download');

  const remix = await videos.remix(video.id, { prompt: 'at night [hold]' });
  assert.equal(remix.remixed_from_video_id, video.id);

  const failing = await videos.create({ ...short, prompt: 'a boat [fail]' });
  const listed = [];
  for await (const { id } of videos.list({ limit: 2 })) listed.push(id);
  assert.deepEqual(listed, [failing.id, remix.id, video.id]);
  worked('list');

  assert.equal((await finished(failing)).status, 'failed');
  assert.equal((await videos.delete(failing.id)).deleted, true);
  await assert.rejects(videos.retrieve(failing.id), OpenAI.NotFoundError);
  worked('delete');

  await assert.rejects(videos.create({ ...short, prompt: 'a boat', seconds: 'x' }), OpenAI.BadRequestError);
  const stranger = client.withOptions({ apiKey: 'wrong' });
  await assert.rejects(stranger.videos.retrieve(video.id), OpenAI.AuthenticationError);
  worked('refusals');
});
