import os from 'node:os';
import type { ChildMessage, JobMessage, JobRun } from './protocol.ts';

/** Below the gateway's own priority, so that its event loop stays quick while videos are encoded. */
const PRIORITY = 10;

try {
  os.setPriority(PRIORITY);
} catch {
  // A container may forbid it; the work is the same.
}

// The gateway went away: nobody waits for the result.
process.on('disconnect', () => process.exit(0));

process.on('message', (message: JobMessage) => {
  // What a job returns may be nothing that can be sent.
  void runJob(message)
    .then(tell)
    .catch((error) => tell(failed(error)));
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
    // The pool only names job modules of the gateway; each exports `run`.
    const { run } = (await import(job)) as { run: JobRun<unknown, unknown> };
    return { type: 'done', output: await run(input, { progress }) };
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): ChildMessage {
  return error instanceof Error
    ? { type: 'failed', message: error.message, ...(error.stack ? { stack: error.stack } : {}) }
    : { type: 'failed', message: String(error) };
}

function tell(message: ChildMessage): void {
  // The channel may close between the check and the write; 'disconnect' ends the process then.
  if (process.connected) process.send?.(message, () => {});
}
