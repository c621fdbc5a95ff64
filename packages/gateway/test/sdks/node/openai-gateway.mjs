// openai-node at the gateway, which speaks its protocol for every model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { drive, until } from './driver.mjs';

async function files(client, { NotFoundError }, { image, short, finished, upload }) {
  const file = await client.files.create({
    file: await upload(),
    purpose: 'user_data',
    expires_after: { anchor: 'created_at', seconds: 3600 },
  });
  assert.equal(file.expires_at, file.created_at + 3600);
  assert.deepEqual(await client.files.waitForProcessing(file.id), file);
  const listed = await Array.fromAsync(client.files.list({ limit: 1 }));
  assert.ok(listed.some(({ id }) => id === file.id));
  const content = Buffer.from(await (await client.files.content(file.id)).arrayBuffer());
  assert.ok(content.equals(readFileSync(image)));
  const asked = { ...short, prompt: 'a boat of a file', input_reference: { file_id: file.id } };
  const video = await client.videos.create(asked);
  assert.equal((await client.files.delete(file.id)).deleted, true);
  await assert.rejects(client.files.retrieve(file.id), NotFoundError);
  await assert.rejects(client.videos.create(asked), NotFoundError);
  assert.equal((await finished(video)).status, 'completed');
  await client.videos.delete(video.id);
}

await drive(
  'openai',
  async ({ simulator, url, key, model, options, image, worked, store }, { default: OpenAI, toFile }) => {
    const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
    const { videos } = client;
    const short = { model, ...options };
    const finished = ({ id }) =>
      until(
        ({ status }) => /completed|failed/.test(status),
        () => videos.retrieve(id),
      );

    const input_reference = await toFile(readFileSync(image), 'boat.png', { type: 'image/png' });
    const once = { headers: { 'Idempotency-Key': `node-${simulator}` } };
    const video = await videos.create({ ...short, prompt: 'a paper boat', input_reference }, once);
    assert.equal(video.status, 'queued');
    const again = await videos.create({ ...short, prompt: 'a paper boat', input_reference }, once);
    assert.equal(again.id, video.id);
    worked('create');

    const { status, progress, seconds, size } = await finished(video);
    assert.deepEqual([status, progress, { seconds, size }], ['completed', 100, options]);
    worked('poll');

    await store(await videos.downloadContent(video.id));
    const poster = await videos.downloadContent(video.id, { variant: 'thumbnail' });
    assert.equal(poster.headers.get('content-type'), 'image/jpeg');
    worked('download');

    await files(client, OpenAI, {
      image,
      short,
      finished,
      upload: () => toFile(readFileSync(image), 'boat.png'),
    });
    worked('files');

    const made = [video.id];
    if (simulator === 'sora') {
      const changes = [
        await videos.remix(video.id, { prompt: 'at night' }),
        await videos.edit({ video: { id: video.id }, prompt: 'a red boat' }),
        await videos.extend({ video: { id: video.id }, prompt: 'it sails on', seconds: '4' }),
      ];
      assert.equal(changes[0].remixed_from_video_id, video.id);
      for (const change of changes) {
        assert.equal((await finished(change)).status, 'completed');
        made.push(change.id);
      }
    } else {
      await assert.rejects(videos.remix(video.id, { prompt: 'at night' }), OpenAI.BadRequestError);
    }

    const listed = [];
    for await (const { id } of videos.list({ limit: 2, order: 'asc' })) listed.push(id);
    assert.deepEqual(listed.slice(-made.length), made);
    worked('list');

    assert.equal((await videos.delete(video.id)).deleted, true);
    await assert.rejects(videos.retrieve(video.id), OpenAI.NotFoundError);
    worked('delete');

    await assert.rejects(videos.create({ ...short, prompt: 'a boat', seconds: 'x' }), OpenAI.BadRequestError);
    const stranger = client.withOptions({ apiKey: 'wrong' });
    await assert.rejects(stranger.videos.retrieve(video.id), OpenAI.AuthenticationError);
    worked('refusals');
  },
);
