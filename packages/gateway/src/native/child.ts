import { flushCompileCache } from 'node:module';
import os from 'node:os';
import type { ChildMessage, JobMessage, JobRun } from './protocol.ts';

/** A lower priority than the gateway's, so that its event loop stays responsive while videos are encoded. */
const PRIORITY = 10;

try {
  os.setPriority(PRIORITY);
} catch {
  // A container may forbid it. The job runs all the same.
}

// Ctrl-C in a terminal and the stop of a service reach every process. The gateway decides how its children end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

// The gateway is gone, so nothing waits for the result. An exit would wait for what runs in the thread pool.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

process.on('message', (message: JobMessage) => {
  // The output of a job may not be serializable.
  void runJob(message)
    .then(tell)
    .catch((error) => tell(failed(error)))
    // A child ends by a kill, at which Node does not write what it has compiled for the next one.
    .finally(() => flushCompileCache());
});

async function runJob({ job, input }: JobMessage): Promise<ChildMessage> {
  let last = -1;
  const progress = (percent: number): void => {
    const whole = Math.floor(percent);
    if (whole === last) return;
    last = whole;
    tell({ type: 'progress', percent: whole });
  };
  try {
    // The pool only sends job modules of the gateway, and each of them exports `run`.
    const { run } = (await import(job)) as { run: JobRun<unknown, unknown> };
    return { type: 'done', output: await run(input, { progress }) };
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): ChildMessage {
  if (!(error instanceof Error)) return { type: 'failed', message: String(error) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return {
    type: 'failed',
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.stack ? { stack: error.stack } : {}),
  };
}

function tell(message: ChildMessage): void {
  // The channel may close between the check and the write. Then 'disconnect' ends the process.
  if (process.connected) process.send?.(message, () => {});
}
