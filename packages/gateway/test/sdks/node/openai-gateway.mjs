// openai-node at the gateway, which speaks its protocol for every model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { drive, until } from './driver.mjs';

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
