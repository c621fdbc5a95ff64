import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { run as probe } from '../../../../src/media/inspect/probe.job.ts';

/** Probes a file that is removed first, or without a free descriptor to open it with. */
export async function run({ path, code }: { path: string; code: string }): Promise<unknown> {
  if (code === 'ENOENT') await rm(path);
  const taken: number[] = [];
  try {
    while (code === 'EMFILE') taken.push(openSync('/dev/null', 'r'));
  } catch {
    // No descriptor is left.
  }
  try {
    return await probe({ path });
  } finally {
    for (const descriptor of taken) closeSync(descriptor);
  }
}
