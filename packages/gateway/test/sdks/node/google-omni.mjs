// @google/genai at the Interactions API, which makes videos with Gemini Omni.
import assert from 'node:assert/strict';
import { drive, image, until } from './driver.mjs';

await drive('@google/genai', async ({ url, key, model, video: downloadPath, worked }, genai) => {
  const client = new genai.GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });
  const create = (input, format, task) =>
    client.interactions.create({
      model,
      input,
      background: true,
      response_format: { type: 'video', delivery: 'uri', duration: '4s', ...format },
      ...(task ? { generation_config: { video_config: { task } } } : {}),
    });
  const finished = ({ id }) =>
    until(
      ({ status }) => status !== 'in_progress',
      () => client.interactions.get(id),
    );

  const picture = { type: 'image', data: image.toString('base64'), mime_type: 'image/png' };
  const text = { type: 'text', text: 'a paper boat' };
  const boat = await create([picture, text], { resolution: '720p' }, 'image_to_video');
  worked('create');

  const { output_video: video } = await finished(boat);
  worked('poll');

  const [, file] = /files\/(\w+)/.exec(video.uri);
  await until(
    ({ state }) => state === 'ACTIVE',
    () => client.files.get({ name: file }),
  );
  await client.files.download({ file, downloadPath });
  worked('download');

  const held = await create('a paper boat [hold]');
  assert.equal((await client.interactions.cancel(held.id)).status, 'cancelled');
  worked('cancel');

  await client.interactions.delete(held.id);
  // The interactions have exceptions of their own.
  const refuses = (call) => assert.rejects(call, ({ status }) => status === 400);
  await refuses(client.interactions.get(held.id));
  worked('delete');

  const declined = await finished(await create('a paper boat [moderation]'));
  assert.equal(declined.output_video, undefined);
  assert.equal((await finished(await create('a paper boat [fail]'))).status, 'failed');
  await refuses(create('a paper boat', { duration: '2s' }));
  worked('refusals');
});
