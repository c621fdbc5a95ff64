// Loaded into a node before its own code, to control its wall clock, and to learn where it listens: its log may be on a full disk. Timers
// and `performance.now()` stay unchanged.
import { subscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:net';

/** A message to a node. */
export interface ClockMessage {
  /** How far its wall clock is ahead of the machine's. Milliseconds. */
  readonly clockAheadMs: number;
}

/** A message from a node, once it listens. */
export interface ListenMessage {
  readonly port: number;
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
subscribe('tracing:net.server.listen:asyncEnd', (message) => {
  const address = (message as { readonly server: Server }).server.address();
  if (address !== null && typeof address === 'object')
    process.send?.({ port: address.port } satisfies ListenMessage);
});
// The channel must not keep the node running.
process.channel?.unref();
