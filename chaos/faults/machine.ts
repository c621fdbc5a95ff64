import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultKind, PlannedFault } from '../plan.ts';
import type { GatewayProcess } from '../system/gatewayProcess.ts';
import type { Slot } from '../system/nodes.ts';
import type { Fault, FaultContext, MakeFault } from './fault.ts';

type MachineFault = Extract<
  FaultKind,
  | 'clock_forward'
  | 'clock_back'
  | 'children_killed'
  | 'children_frozen'
  | 'log_disk_full'
  | 'data_disk_full'
  | 'descriptors_used_up'
>;

/** Between two searches for children: the check of a short video takes some hundred milliseconds. */
const LOOK_MS = 100;
/** How long a fault of children waits for a child. Milliseconds. */
const PATIENCE_MS = 30_000;

/**
 * Faults of the machine under one node, which keeps serving. So none of these takes the node away from the others, and it may be
 * killed in the meantime.
 */
export function machineFaults(context: FaultContext): Record<MachineFault, MakeFault> {
  const { system } = context;

  /** Affects the node of a slot while `hit` runs. */
  async function onNode(
    planned: PlannedFault,
    hit: (node: GatewayProcess, slot: Slot, fault: Fault) => Promise<void>,
  ): Promise<void> {
    const slot = system.nodes.slots[planned.slot];
    if (!slot?.node?.running) return context.skip(planned.kind, 'the node was down');
    const fault = context.begin(planned.kind, slot);
    try {
      await hit(slot.node, slot, fault);
    } finally {
      fault.until = Date.now();
    }
  }

  const clock: MakeFault = (planned) =>
    onNode(planned, async (node) => {
      node.setClock(planned.stepMs);
      await sleep(planned.ms);
      node.setClock(0);
    });

  /** Signals every child that is found while the fault lasts, and continues for longer if there was none. */
  const children = (planned: PlannedFault, signal: 'SIGKILL' | 'SIGSTOP') =>
    onNode(planned, async (_node, slot, fault) => {
      const began = performance.now();
      const lasted = () => performance.now() - began;
      const hit = new Set<number>();
      while (lasted() < planned.ms || (hit.size === 0 && lasted() < PATIENCE_MS)) {
        for (const child of (await slot.node?.signalChildren(signal)) ?? []) hit.add(child);
        fault.hits = hit.size;
        await sleep(LOOK_MS);
      }
      if (signal === 'SIGSTOP') await slot.node?.signalChildren('SIGCONT');
    });

  const fullDisk = async (planned: PlannedFault, which: 'data' | 'log'): Promise<void> => {
    if (system.nodes.noDisks !== undefined) return context.skip(planned.kind, system.nodes.noDisks);
    await onNode(planned, async (_node, { disks }) => {
      await disks?.[which].fill();
      await sleep(planned.ms);
      await disks?.[which].drain();
    });
  };

  async function useUpDescriptors(planned: PlannedFault): Promise<void> {
    if (process.platform !== 'linux') return context.skip(planned.kind, 'only Linux can be told to');
    await onNode(planned, async (node) => {
      const undo = await node.useUpDescriptors();
      await sleep(planned.ms);
      await undo();
    });
  }

  return {
    clock_forward: clock,
    clock_back: clock,
    children_killed: (planned) => children(planned, 'SIGKILL'),
    children_frozen: (planned) => children(planned, 'SIGSTOP'),
    log_disk_full: (planned) => fullDisk(planned, 'log'),
    data_disk_full: (planned) => fullDisk(planned, 'data'),
    descriptors_used_up: useUpDescriptors,
  };
}
