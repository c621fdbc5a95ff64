import { describe, expect, it } from 'vitest';
import { createWorld } from '../support/engineWorld.ts';
import { readAll } from '../support/http/readAll.ts';
import { videoOf } from '../support/recordingProvider.ts';

describe('a successful task', () => {
  it('is queued, then in progress, then succeeds with exactly the bytes of the upstream', async () => {
    const world = await createWorld({
      behaviour: () => ({ answers: ['queued', 'in_progress', 'succeeded'] }),
    });
    const phases: string[] = [];
    world.feed.onChange(({ task, transition }) => transition && phases.push(task.phase));

    const task = await world.ends((await world.submit()).id);

    expect(phases).toEqual(['accepted', 'submitting', 'running', 'running', 'storing', 'succeeded']);
    // The last change is its poster.
    expect(task.version).toBe(7);
    const video = await world.store.media(task.result?.videoId ?? '');
    const bytes = await readAll(await world.storage.read(video?.storageKey ?? ''));
    const [start] = world.upstream.records;
    expect(start && bytes.equals(videoOf(start, {}))).toBe(true);
    expect(task.result).toMatchObject({ bytes: bytes.length, duration: 4, width: 1280, height: 720 });
    expect(world.upstream.count('discard')).toBe(1);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, capture: 400_000 });
    expect(world.engine.unfinished).toBe(0);
  });

  it('captures the price of what was delivered and releases the rest of the hold', async () => {
    const world = await createWorld({ behaviour: () => ({ duration: 2.1 }) });
    const task = await world.ends((await world.submit()).id);
    expect(task.result?.costMicros).toBe(200_000);
    expect(await world.ledger(task.id)).toEqual({ hold: 400_000, capture: 200_000, release: 200_000 });
  });
});
