// replicate-javascript.
import assert from 'node:assert/strict';
import { drive } from './driver.mjs';

await drive('replicate', async ({ url, key, model, worked, store }, Replicate) => {
  const client = new Replicate({ auth: key, baseUrl: url });
  const boat = { prompt: 'a paper boat', duration: 5, resolution: '480p' };
  const create = (more) => client.predictions.create({ model, input: { ...boat, ...more } });
  const run = (more) =>
    client.run(model, { input: { ...boat, ...more }, wait: { mode: 'poll', interval: 20 } });

  const prediction = await create();
  assert.equal(prediction.status, 'starting');
  worked('create');

  assert.equal((await client.wait(prediction, { interval: 20 })).status, 'succeeded');
  worked('poll');

  await store(new Response(await (await run()).blob()));
  worked('download');

  const { results } = await client.predictions.list();
  assert.ok(results.some(({ id }) => id === prediction.id));
  worked('list');

  const held = await create({ prompt: 'a boat [hold]' });
  assert.equal((await client.predictions.cancel(held.id)).status, 'canceled');
  worked('cancel');

  const refused = (status) => (error) => error.response.status === status;
  await assert.rejects(run({ prompt: 'a boat [fail]' }), /Prediction failed/);
  await assert.rejects(create({ duration: 'x' }), refused(422));
  const stranger = new Replicate({ auth: 'wrong', baseUrl: url });
  await assert.rejects(stranger.predictions.get(prediction.id), refused(401));
  worked('refusals');
});
