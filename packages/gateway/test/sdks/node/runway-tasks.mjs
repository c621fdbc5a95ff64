// @runwayml/sdk.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { drive } from './driver.mjs';

await drive(
  '@runwayml/sdk',
  async ({ url, key, model, worked, store }, { default: RunwayML, TaskFailedError }) => {
    const client = new RunwayML({ apiKey: key, baseURL: url, maxRetries: 0 });
    const boat = { model, promptText: 'a paper boat', ratio: '1280:720', duration: 4 };
    const create = (more) => client.textToVideo.create({ ...boat, ...more });
    const refused = (status) => (error) => error.status === status;

    const picture = `data:image/png;base64,${readFileSync(process.env.IMAGE).toString('base64')}`;
    const made = client.imageToVideo.create({ ...boat, promptImage: picture });
    const { id } = await made;
    worked('create');

    const task = await made.waitForTaskOutput();
    assert.equal(task.status, 'SUCCEEDED');
    worked('poll');

    await store(await fetch(task.output[0]));
    worked('link');

    const held = await create({ promptText: 'a boat [hold]' });
    await client.tasks.delete(held.id);
    await assert.rejects(client.tasks.retrieve(held.id), refused(404));
    worked('cancel');

    await client.tasks.delete(id);
    await assert.rejects(client.tasks.retrieve(id), refused(404));
    worked('delete');

    await assert.rejects(create({ promptText: 'a boat [moderation]' }).waitForTaskOutput(), TaskFailedError);
    await assert.rejects(create({ duration: 11 }), refused(400));
    await assert.rejects(client.withOptions({ apiKey: 'wrong' }).tasks.retrieve(id), refused(401));
    worked('refusals');
  },
);
