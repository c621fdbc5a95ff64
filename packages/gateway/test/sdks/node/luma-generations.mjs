// lumaai-node.
import assert from 'node:assert/strict';
import { drive, until } from './driver.mjs';

await drive('lumaai', async ({ url, key, model, worked, store }, { default: LumaAI }) => {
  const { generations } = new LumaAI({ authToken: key, baseURL: url, maxRetries: 0 });
  const boat = { model, prompt: 'a paper boat', duration: '5s', resolution: '720p' };
  const create = (more) => generations.create({ ...boat, ...more });
  const finished = ({ id }) =>
    until(
      ({ state }) => /completed|failed/.test(state),
      () => generations.get(id),
    );
  const refused = (status) => (error) => error.status === status;

  const made = await create({
    keyframes: { frame0: { type: 'image', url: 'https://example.com/boat.png' } },
  });
  assert.match(made.state, /queued|dreaming/);
  worked('create');

  const done = await finished(made);
  assert.equal(done.state, 'completed');
  worked('poll');

  await store(await fetch(done.assets.video));
  worked('link');

  const listed = await generations.list({ limit: 10, offset: 0 });
  assert.ok(listed.generations.some(({ id }) => id === made.id));
  worked('list');

  const { failure_reason: reason } = await finished(await create({ prompt: 'a boat [moderation]' }));
  assert.equal(reason, 'Advanced prompt moderation failed');
  await assert.rejects(create({ prompt: 'ab' }), refused(400));
  const stranger = new LumaAI({ authToken: 'wrong', baseURL: url, maxRetries: 0 });
  await assert.rejects(stranger.generations.get(made.id), refused(401));
  worked('refusals');

  await generations.delete(made.id);
  await assert.rejects(generations.get(made.id), refused(404));
  worked('delete');
});
