import { join } from 'node:path';
import { createLog, createNativePool, probeVideo } from '@onetake/gateway';
import type { S3Server } from '../../scripts/servers/s3.ts';
import { draw } from '../shared/random.ts';
import { PREFIX } from '../system/system.ts';
import type { Evidence } from './verdict.ts';

/** Videos to play: their bytes have all been compared, so a few are enough to show that they are videos. */
const SAMPLE = 12;

/** Plays a sample of the stored videos from the storage's disk, and returns what is wrong with them. */
export async function unreadableOf(
  { tasks }: Evidence,
  { directory, bucket }: Pick<S3Server, 'directory' | 'bucket'>,
  seed: string,
): Promise<string[]> {
  const native = createNativePool({ concurrency: 1, log: createLog('silent') });
  const violations: string[] = [];
  try {
    const sample = tasks
      .filter(({ phase, storageKey }) => phase === 'succeeded' && storageKey !== undefined)
      .map((task) => ({ task, turn: draw(seed, 'sample', task.id) }))
      .sort((a, b) => a.turn - b.turn)
      .slice(0, SAMPLE);
    for (const { task } of sample) {
      // The name that s3rver gives the file of an object's bytes.
      const path = join(directory, bucket, PREFIX, `${task.storageKey}._S3rver_object`);
      try {
        const verdict = await probeVideo(native, path);
        if (!verdict.ok) violations.push(`${task.id}: ${verdict.problem}, ${verdict.detail}`);
        else if (!(verdict.probe.duration > 0)) violations.push(`${task.id}: a video of no length`);
      } catch (error) {
        violations.push(`${task.id}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } finally {
    await native.close();
  }
  return violations;
}
