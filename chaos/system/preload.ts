// Loaded into a node before its own code, to control its wall clock. Timers and `performance.now()` stay unchanged.

/** A message to a node. */
export interface ClockMessage {
  /** How far its wall clock is ahead of the machine's. Milliseconds. */
  readonly clockAheadMs: number;
}

const MachineDate = Date;
const machineNow = Date.now;
let aheadMs = 0;

MachineDate.now = () => machineNow() + aheadMs;
globalThis.Date = new Proxy(MachineDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [target.now()] : args, newTarget),
  apply: (target) => new target(target.now()).toString(),
});

process.on('message', (message) => {
  aheadMs = (message as ClockMessage).clockAheadMs;
});
// The channel must not keep the node running.
process.channel?.unref();
