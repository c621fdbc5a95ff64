import pLimit from 'p-limit';
import { isMediaKey } from '../../media/key.ts';
import type { MediaStorage } from '../../media/media.ts';

export interface CopiedMedia {
  readonly copied: number;
  /** Already at the target, with the same length, or no longer at the source. */
  readonly present: number;
  /** Keys of objects that neither storage has, and invalid keys. */
  readonly missing: readonly string[];
}

/** Objects copied concurrently. */
const CONCURRENCY = 4;

/** Copies media from one storage to another in constant memory. It can be repeated: existing objects are skipped. */
export async function copyMedia(
  keys: Iterable<string>,
  source: MediaStorage,
  target: MediaStorage,
): Promise<CopiedMedia> {
  const limit = pLimit(CONCURRENCY);
  const done = { copied: 0, present: 0 };
  const missing: string[] = [];
  for (const some of batches(keys, CONCURRENCY * 4)) {
    await Promise.all(
      some.map((key) =>
        limit(async () => {
          const outcome = await copyOne(key, source, target);
          if (outcome === 'missing') missing.push(key);
          else done[outcome] += 1;
        }),
      ),
    );
  }
  return { ...done, missing };
}

async function copyOne(
  key: string,
  source: MediaStorage,
  target: MediaStorage,
): Promise<'copied' | 'present' | 'missing'> {
  // A damaged row may contain an invalid key. The other objects are still copied.
  if (!isMediaKey(key)) return 'missing';
  const [there, here] = await Promise.all([source.stat(key), target.stat(key)]);
  if (here && (!there || there.bytes === here.bytes)) return 'present';
  if (!there) return 'missing';
  const bytes = await source.read(key).catch(async (error: unknown) => {
    if (await source.stat(key)) throw error;
    // A running gateway has just removed it.
    return undefined;
  });
  if (!bytes) return 'missing';
  const write = await target.write(key);
  const length = await write.append(bytes, 0);
  if (length !== there.bytes) {
    await write.abandon();
    throw new Error(`${length} of the ${there.bytes} bytes of ${key} could be read`);
  }
  await write.commit();
  return 'copied';
}

function* batches<T>(all: Iterable<T>, size: number): Generator<T[]> {
  let some: T[] = [];
  for (const one of all) {
    some.push(one);
    if (some.length < size) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
