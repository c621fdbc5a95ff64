import { expect, it } from 'vitest';
import { createWorld } from '../../support/engineWorld.ts';

const HOUR = 3_600_000;

it('events are removed once they were kept for long enough, all of them in batches, and no other row', async () => {
  const world = await createWorld({ settings: { eventRetentionMs: HOUR } });
  const from = (await world.store.newEvents(undefined, 1)).end;
  const tasks = [];
  for (let n = 0; n < 60; n++) tasks.push(await world.ends((await world.submit(`boat ${n}`)).id));
  const page = async () => await world.store.eventsAfter(from, { limit: 1000 });
  const before = await page();
  expect(typeof before === 'string' ? before : before.events).toHaveLength(120);
  await world.advance(HOUR + 120_000);
  // More than one batch.
  expect(await page()).toBe('too_old');
  const { end } = await world.store.newEvents(undefined, 1);
  const after = await world.store.eventsAfter(end, { limit: 1000 });
  expect(typeof after === 'string' ? after : after.events).toEqual([]);
  expect(await world.task(tasks[0]?.id ?? '')).toMatchObject({ phase: 'succeeded' });
  // A cursor of the time at which the last one was removed goes on.
  const next = await world.ends((await world.submit('one more')).id);
  const more = await world.store.eventsAfter(end, { limit: 1000 });
  expect(typeof more === 'string' ? more : more.events.map(({ event }) => event.taskId)).toEqual([
    next.id,
    next.id,
  ]);
});
