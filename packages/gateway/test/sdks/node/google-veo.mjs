// @google/genai at the Gemini API, where version 3 makes no videos any more.
import assert from 'node:assert/strict';
import { drive, image, until } from './driver.mjs';

await drive('google-genai-2', async ({ url, key, model, video: path, worked }, genai) => {
  const client = new genai.GoogleGenAI({ vertexai: false, apiKey: key, httpOptions: { baseUrl: url } });
  const picture = { imageBytes: image.toString('base64'), mimeType: 'image/png' };
  const create = (source, config) => client.models.generateVideos({ model, source, config });
  const finished = (operation) =>
    until(
      ({ done }) => done,
      () => client.operations.getVideosOperation({ operation }),
    );

  const source = { prompt: 'a paper boat', image: picture };
  const boat = await create(source, { durationSeconds: 4, resolution: '720p' });
  const referenceType = genai.VideoGenerationReferenceType.ASSET;
  await create({ prompt: 'a boat' }, { referenceImages: [{ image: picture, referenceType }] });
  worked('create');

  const [{ video }] = (await finished(boat)).response.generatedVideos;
  worked('poll');

  await client.files.download({ file: video, downloadPath: path });
  worked('download');

  const longer = await create({ prompt: 'it sails on', video }, { durationSeconds: 8, resolution: '720p' });
  assert.equal((await finished(longer)).response.generatedVideos.length, 1);

  const filtered = await finished(await create({ prompt: 'a boat [filtered]' }));
  assert.equal(filtered.response.raiMediaFilteredCount, 1);
  assert.equal((await finished(await create({ prompt: 'a boat [moderation]' }))).error.code, 3);
  await assert.rejects(
    create({ prompt: 'a boat' }, { durationSeconds: 5 }),
    (error) => error instanceof genai.ApiError && error.status === 400,
  );
  worked('refusals');
});
