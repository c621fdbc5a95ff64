import { setTimeout as sleep } from 'node:timers/promises';
import type { System } from '../system/system.ts';
import { countUnfinished, leaseHolders } from '../verdict/records.ts';
import type { Fault, FaultContext } from './fault.ts';

/** After this time a downloaded result is on its node's disk, however slow the machine is. Milliseconds. */
const ON_DISK_MS = 3_000;
/** How much longer the storage stays unavailable if nothing was downloaded yet. Milliseconds. */
const FETCHED_MS = 20_000;
/** How long a downloaded result may take to be stored once the storage is back. Milliseconds. */
const STORED_MS = 60_000;
const LOOK_MS = 250;

/**
 * The storage is unavailable for longer than upstreams keep results: a downloaded result must never be needed again. No node may lose
 * its tasks in that time, because others would then rightly download them again.
 */
export async function expireResults({ system, log }: FaultContext, ms: number, fault: Fault): Promise<void> {
  const { databaseUrl } = system.servers;
  const before = await leaseHolders(databaseUrl);
  const away = Date.now();
  await system.storage.set('cut');
  await sleep(ms);
  const prompts = await expireFetched(system, away);
  fault.hits = prompts.length;
  await system.storage.set('open');

  const latest = performance.now() + STORED_MS;
  while ((await countUnfinished(databaseUrl, { prompts })) > 0) {
    if (performance.now() > latest) {
      log('results_expired: not everything that was fetched has been stored yet');
      break;
    }
    await sleep(LOOK_MS);
  }
  // On an overloaded machine nodes lose their leases by themselves, and their downloads are on their disks.
  const after = await leaseHolders(databaseUrl);
  if (before.symmetricDifference(after).size === 0) return;
  fault.disturbed = prompts;
  log('results_expired: a node lost its lease meanwhile');
}

/** Waits until something was downloaded since a time (milliseconds UTC), and deletes it upstream; resolves with the prompts of the jobs. */
async function expireFetched({ upstreams }: System, since: number): Promise<readonly string[]> {
  const latest = performance.now() + FETCHED_MS;
  for (;;) {
    const prompts = await upstreams.call('expireFetched', since, Date.now() - ON_DISK_MS);
    if (prompts.length > 0 || performance.now() > latest) return prompts;
    await sleep(LOOK_MS);
  }
}
