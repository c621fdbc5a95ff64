// Loaded into a gateway before its own code: tells the bench what the process uses, and ends it when the bench is gone.

/** What a process has used. Its children, which inspect videos, do not count. */
export interface Usage {
  /** CPU time since its start. Microseconds. */
  readonly cpuUs: number;
  /** The heap in use, after a collection if one was asked for. */
  readonly heapBytes: number;
}

/** A question to the process. A collection stops it for a moment. */
export interface UsageQuestion {
  readonly collect: boolean;
}

process.on('message', (question) => {
  if ((question as UsageQuestion).collect) globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { heapUsed, external } = process.memoryUsage();
  process.send?.({ cpuUs: user + system, heapBytes: heapUsed + external } satisfies Usage);
});
process.once('disconnect', () => process.exit());
// The channel must not keep the gateway running.
process.channel?.unref();
