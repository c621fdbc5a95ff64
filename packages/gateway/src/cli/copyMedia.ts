import pLimit from 'p-limit';
import { isMediaKey } from '../media/key.ts';
import type { MediaStorage } from '../media/media.ts';

export interface CopiedMedia {
  readonly copied: number;
  /** At the target already: of the same length, or no longer at the source. */
  readonly present: number;
  /** Keys of objects that neither side has, and those that no storage can hold. */
  readonly missing: readonly string[];
}

/** Objects under way at a time. */
const AT_A_TIME = 4;

/** Copies media from one storage to another in constant memory. May be repeated: what is there already is left alone. */
export async function copyMedia(
  keys: Iterable<string>,
  source: MediaStorage,
  target: MediaStorage,
): Promise<CopiedMedia> {
  const limit = pLimit(AT_A_TIME);
  const done = { copied: 0, present: 0 };
  const missing: string[] = [];
  for (const some of batches(keys, AT_A_TIME * 4)) {
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
  // What a damaged row names is nowhere, and keeps no other from being copied.
  if (!isMediaKey(key)) return 'missing';
  const [there, here] = await Promise.all([source.stat(key), target.stat(key)]);
  if (here && (!there || there.bytes === here.bytes)) return 'present';
  if (!there) return 'missing';
  const bytes = await source.read(key).catch(async (error: unknown) => {
    if (await source.stat(key)) throw error;
    // Removed at this moment, by a gateway that runs beside.
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
