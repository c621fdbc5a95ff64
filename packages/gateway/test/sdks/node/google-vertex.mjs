// @google/genai at Vertex AI. google-auth-library gets tokens from Google's own host, whatever the key file says, so its hook leads them to the simulator.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { drive, until } from './driver.mjs';

await drive('@google/genai', async ({ url, model, video: path, worked }, genai) => {
  const {
    GOOGLE_APPLICATION_CREDENTIALS: file,
    GOOGLE_CLOUD_PROJECT: project,
    GOOGLE_CLOUD_LOCATION: location,
  } = process.env;
  const credentials = JSON.parse(readFileSync(file, 'utf8'));
  const fetchImplementation = (_url, init) => fetch(credentials.token_uri, init);
  const client = new genai.GoogleGenAI({
    enterprise: true,
    project,
    location,
    googleAuthOptions: { credentials, clientOptions: { transporterOptions: { fetchImplementation } } },
    httpOptions: { baseUrl: url },
  });
  const create = (prompt, config) => client.models.generateVideos({ model, source: { prompt }, config });
  const finished = (operation) =>
    until(
      ({ done }) => done,
      () => client.operations.getVideosOperation({ operation }),
    );

  const boat = await create('a paper boat', { durationSeconds: 4, resolution: '720p' });
  worked('create');

  // Vertex AI has the video in its answer.
  const [{ video }] = (await finished(boat)).response.generatedVideos;
  writeFileSync(path, Buffer.from(video.videoBytes, 'base64'));
  worked('poll');

  assert.equal((await finished(await create('a boat [moderation]'))).error.code, 3);
  await assert.rejects(
    create('a boat', { durationSeconds: 5 }),
    (error) => error instanceof genai.ApiError && error.status === 400,
  );
  worked('refusals');
});
