import { expect, it } from 'vitest';
import type { EngineParts } from '../../../src/engine/parts.ts';
import { createRepair } from '../../../src/engine/repair/repair.ts';
import type { AccountState } from '../../../src/limits/account.ts';
import { createVerifiedMedia } from '../../../src/media/verified.ts';
import type { MediaRow } from '../../../src/store/store.ts';
import type { Task, TaskResult } from '../../../src/tasks/task.ts';
import { aMediaRow } from '../../support/builders.ts';
import { createWorld } from '../../support/engineWorld.ts';

function resultOf({ result }: Task): TaskResult {
  if (!result) throw new Error('no result');
  return result;
}

/** A finished task, and what a repair does with rows that `change` derives from its own. */
async function repairing() {
  let parts: EngineParts | undefined;
  const world = await createWorld({
    parts: (given) => {
      parts = given;
      return {};
    },
  });
  const task = await world.ends((await world.submit()).id);
  const rows = new Map((await world.store.mediaOf(task.id)).map((row) => [row.kind, row]));
  if (!parts) throw new Error('no parts');
  const { store, storage, log } = parts;
  const account: AccountState = { account: { provider: world.provider } } as never;
  const repair = (row: MediaRow, stored: MediaRow | undefined, current: Task | undefined, accounts = ['']) =>
    createRepair({
      ...(parts as EngineParts),
      store: {
        ...store,
        media: async (id) => (id === row.id ? stored : store.media(id)),
        task: async () => current,
      },
      media: createVerifiedMedia<MediaRow>({ storage, log, damaged: () => undefined }),
      accountStates: new Map(accounts.map((id) => [id, account])),
    }).repairRow(row, new AbortController().signal);
  const rowOf = (kind: MediaRow['kind']): MediaRow => ({
    ...(rows.get(kind) ?? aMediaRow()),
    state: 'damaged',
  });
  return { world, task, repair, video: rowOf('video'), poster: rowOf('poster') };
}

it('a row that is gone, or intact again, needs no repair', async () => {
  const { repair, task, video } = await repairing();
  expect(await repair(video, undefined, task)).toBe('settled');
  expect(await repair(video, { ...video, state: 'present' }, task)).toBe('settled');
  // Its bytes are unchanged.
  expect(await repair(video, video, task)).toBe('repaired');
});

it('a video that is missing is repaired from its upstream, if its account is configured', async () => {
  const { world, repair, task, video } = await repairing();
  await world.storage.remove(video.storageKey);
  expect(await repair(video, video, task)).toBe('hopeless');
  expect(await repair(video, video, task, ['one'])).toBe('repaired');
  const { storageKey, state } = (await world.store.media(video.id)) ?? video;
  expect(state).toBe('present');
  expect((await world.storage.stat(storageKey))?.bytes).toBe(task.result?.bytes);
});

it('a repair of a task that was changed meanwhile fails: it keeps an intact file, and leaves no new one', async () => {
  const { world, repair, task, video, poster } = await repairing();
  const before = { ...task, version: task.version - 1 };
  await expect(repair(video, video, before)).rejects.toThrow('was changed while its media was repaired');
  expect(await world.storage.stat(video.storageKey)).toBeDefined();
  await world.storage.remove(video.storageKey);
  await expect(repair(video, video, before, ['one'])).rejects.toThrow('was changed');
  const keys = (await Array.fromAsync(world.storage.list())).map(({ key }) => key);
  expect(keys).toEqual([poster.storageKey]);
});

it.each<[string, (task: Task) => Task | undefined]>([
  ['is gone', () => undefined],
  ['was deleted', (task) => ({ ...task, deletedAt: 1 })],
  ['has failed', (task) => ({ ...task, phase: 'failed' })],
  ['has another video', (task) => ({ ...task, result: { ...resultOf(task), videoId: 'x' } })],
])('the video of a task that %s cannot be repaired', async (_what, change) => {
  const { repair, task, video } = await repairing();
  expect(await repair(video, video, change(task))).toBe('hopeless');
});

it.each<[string, (row: MediaRow, task: Task) => [MediaRow, Task], string]>([
  ['of the task', (row, task) => [row, task], 'repaired'],
  [
    'of a task that has none',
    (row, { result: { posterId: _, ...result } = {} as never, ...task }) => [row, { ...task, result }],
    'repaired',
  ],
  [
    'of a task that has another',
    (row, task) => [row, { ...task, result: { ...resultOf(task), posterId: 'x' } }],
    'hopeless',
  ],
  ['that is an input', (row, task) => [{ ...row, kind: 'input' }, task], 'hopeless'],
  ['of no task', ({ taskId: _, ...row }, task) => [row, task], 'hopeless'],
])('a poster %s is repaired if that is possible', async (_what, change, outcome) => {
  const { repair, task, poster } = await repairing();
  const [row, current] = change(poster, task);
  expect(await repair(row, row, current)).toBe(outcome);
});
