import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { InputGone, UpstreamError } from '../../../src/providers/provider.ts';
import { OnetakeError } from '../../../src/tasks/errors.ts';
import type { InputRef } from '../../../src/tasks/request.ts';
import { aRequest } from '../../support/builders.ts';
import { SETTINGS } from '../../support/engineParts.ts';
import { createWorld } from '../../support/engineWorld.ts';

const IMAGE: InputRef = { mediaId: 'image', contentType: 'image/png', bytes: 5, width: 64, height: 48 };
const withImage = { request: aRequest({ image: IMAGE }) };
const away = () => new OnetakeError('storage_unavailable', 503, 'The storage is away.');

it('an unavailable storage of inputs fails no task, and does not delay tasks without inputs', async () => {
  let reads = 0;
  const world = await createWorld({
    parts: () => ({
      openInput: async () => {
        reads += 1;
        if (reads > 2 * SETTINGS.maxAttempts) return Readable.from([Buffer.from('image')]);
        if (reads % 2 === 0) throw away();
        // Or it breaks off in the middle.
        return Readable.from(
          (function* () {
            yield Buffer.from('im');
            throw away();
          })(),
        );
      },
    }),
  });
  const waiting = await world.submit('with an image', withImage);
  const other = await world.ends((await world.submit('without')).id);
  expect(other.phase).toBe('succeeded');
  expect((other.completedAt ?? 0) - other.createdAt).toBeLessThan(300_000);
  const task = await world.ends(waiting.id);
  expect(task.phase).toBe('succeeded');
  expect(reads).toBe(2 * SETTINGS.maxAttempts + 1);
  expect(world.upstream.count('submit', task.id)).toBe(1);
});

it('a task that waits for its input can be cancelled, and expires like any other', async () => {
  const world = await createWorld({
    parts: () => ({ openInput: async () => Promise.reject(away()) }),
  });
  const [one, two] = [await world.submit('one', withImage), await world.submit('two', withImage)];
  await world.advance(60_000);
  expect((await world.engine.cancel(await world.task(one.id))).error?.reason).toBe('cancelled');
  const expired = await world.ends(two.id);
  expect(expired.error?.reason).toBe('expired');
  expect(expired.completedAt).toBeLessThan(expired.deadlineAt + 60_000);
});

it('a missing input fails its task at once', async () => {
  const world = await createWorld({
    parts: () => ({ openInput: async () => Promise.reject(new InputGone('gone')) }),
  });
  const task = await world.ends((await world.submit('with an image', withImage)).id);
  expect(task.error?.reason).toBe('internal_error');
  expect(task.attempt?.number).toBe(1);
});

it('a machine without descriptors for a connection fails no task', async () => {
  let calls = 0;
  const world = await createWorld({
    provider: (provider) => ({
      ...provider,
      async submit(job, ...rest) {
        calls += 1;
        if (calls <= 2 * SETTINGS.maxAttempts)
          throw new UpstreamError('upstream_unavailable', { created: 'no', ours: 'machine' });
        return provider.submit(job, ...rest);
      },
    }),
  });
  const task = await world.ends((await world.submit()).id);
  expect(task.phase).toBe('succeeded');
});

it('a lost submission whose account is missing after a restart is searched for once the account is back', async () => {
  const world = await createWorld({
    behaviour: () => ({ start: ['answer_lost'], find: [{ error: 'upstream_unavailable' }, 'look'] }),
  });
  const { id } = await world.submit();
  await world.reaches(id, 'submitting');
  await world.idle();
  const without = await world.restart({ accounts: ['another'] });
  await without.advance(600_000);
  expect((await without.task(id)).phase).toBe('submitting');
  const back = await without.restart({});
  expect((await back.ends(id)).phase).toBe('succeeded');
  expect(back.upstream.count('submit')).toBe(1);
});
