import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import os from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { Order, Result } from './protocol.ts';

// The thread that hashes files. It reads and hashes synchronously, because nothing else runs here, and each file in turns.

const BLOCK_BYTES = 256 * 1024;
/** A lower priority than the gateway's, so that its event loop stays responsive. On Linux alone a thread has its own. */
const PRIORITY = 10;

interface Job {
  readonly id: number;
  readonly path: string;
  readonly hash: Hash;
  file: number | undefined;
  hashed: number;
  /** How much of the file may be read. */
  written: number;
  isLast: boolean;
  failure: Error | undefined;
}

const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
const jobs = new Map<number, Job>();
const ready = new Set<Job>();

if (process.platform === 'linux') {
  try {
    os.setPriority(PRIORITY);
  } catch {
    // A container may forbid it.
  }
}

parentPort?.on('message', (order: Order) => {
  if (order.type === 'drop') {
    const job = jobs.get(order.id);
    if (job) forget(job);
    return;
  }
  const job = jobs.get(order.id) ?? newJob(order);
  job.written = Math.max(job.written, order.length ?? Number.POSITIVE_INFINITY);
  job.isLast = order.type === 'finish';
  if (ready.size === 0) setImmediate(takeTurns);
  ready.add(job);
});

function newJob({ id, path }: { readonly id: number; readonly path: string }): Job {
  const state = { file: undefined, hashed: 0, written: 0, isLast: false, failure: undefined };
  const job: Job = { id, path, hash: createHash('sha256'), ...state };
  jobs.set(id, job);
  return job;
}

/** One block of each file; orders are read in between. */
function takeTurns(): void {
  for (const job of ready) {
    try {
      if (hashBlock(job)) continue;
    } catch (error) {
      job.failure ??= error as Error;
    }
    ready.delete(job);
    if (!job.isLast) continue;
    answer(job);
    forget(job);
  }
  if (ready.size > 0) setImmediate(takeTurns);
}

/** Whether there may be more to hash. */
function hashBlock(job: Job): boolean {
  if (job.failure) return false;
  job.file ??= openSync(job.path, 'r');
  const wanted = Math.min(BLOCK_BYTES, job.written - job.hashed);
  if (wanted === 0) return false;
  const bytes = readSync(job.file, block, 0, wanted, job.hashed);
  if (bytes === 0) {
    if (job.written === Number.POSITIVE_INFINITY) return false;
    throw new Error(`${job.path} has ${job.hashed} bytes instead of ${job.written}`);
  }
  job.hash.update(block.subarray(0, bytes));
  job.hashed += bytes;
  return true;
}

function answer({ id, hash, failure }: Job): void {
  // An error that is sent as one loses its code.
  const result: Result = failure
    ? { id, error: { message: failure.message, ...('code' in failure ? { code: failure.code } : {}) } }
    : { id, sha256: hash.digest('hex') };
  parentPort?.postMessage(result);
}

function forget(job: Job): void {
  jobs.delete(job.id);
  ready.delete(job);
  if (job.file !== undefined) closeSync(job.file);
}
