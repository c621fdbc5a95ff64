import { expect, it } from 'vitest';
import { createWorld, type World, type WorldOptions } from '../../support/engineWorld.ts';
import { fakeInspector } from '../../support/fakeVideo.ts';

/** A world whose upstream works on a job for many polls, and the times at which a checker was prepared. */
async function world(options: WorldOptions = {}) {
  const prepared: number[] = [];
  const opened: World = await createWorld({
    behaviour: () => ({ answers: [...Array<'in_progress'>(40).fill('in_progress'), 'succeeded'] }),
    parts: () => ({
      inspector: {
        ...fakeInspector,
        async prepare() {
          prepared.push(opened?.timers.trueTime() ?? 0);
          throw new Error('no memory for a process');
        },
      },
    }),
    ...options,
  });
  return { opened, prepared };
}

it('a checker is ready while the upstream works on a task, and not before or after', async () => {
  const { opened, prepared } = await world();
  await opened.advance(3_600_000);
  expect(prepared).toEqual([]);
  const begun = opened.timers.trueTime();
  const { id } = await opened.submit();
  const { completedAt = 0 } = await opened.ends(id);
  await opened.advance(3_600_000);
  expect(prepared[0]).toBe(begun);
  const pauses = prepared.map((at, index) => at - (prepared[index - 1] ?? begun));
  expect(new Set(pauses.slice(1))).toEqual(new Set([30_000]));
  expect(completedAt - (prepared.at(-1) ?? 0)).toBeLessThanOrEqual(30_000);
});

it('one checker is made ready for many tasks', async () => {
  const { opened, prepared } = await world();
  for (let tasks = 0; tasks < 5; tasks++) await opened.submit();
  await opened.advance(1000);
  expect(prepared).toHaveLength(1);
});

it('a checker is ready for a task that an earlier process has submitted', async () => {
  const { opened } = await world();
  const { id } = await opened.submit();
  await opened.reaches(id, 'running');
  let prepared = 0;
  const next = await opened.restart({
    parts: () => ({
      inspector: {
        ...fakeInspector,
        async prepare() {
          prepared += 1;
        },
      },
    }),
  });
  await next.idle();
  expect(prepared).toBe(1);
});
