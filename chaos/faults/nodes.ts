import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultKind, PlannedFault } from '../plan.ts';
import type { Slot } from '../system/nodes.ts';
import type { FaultContext, MakeFault } from './fault.ts';

type NodeFault = Extract<
  FaultKind,
  'kill' | 'pause' | 'rolling_restart' | 'database_cut' | 'database_black_hole'
>;

/** Faults that separate one node from its tasks. */
export function nodeFaults(context: FaultContext): Record<NodeFault, MakeFault> {
  const { system, parted } = context;

  async function restart(slot: Slot): Promise<void> {
    system.nodes.expectEnd(slot);
    slot.node?.terminate();
    await slot.node?.ended;
    slot.address = undefined;
    await system.nodes.fill(slot, false);
  }

  const cable = (planned: PlannedFault, mode: 'cut' | 'black_hole') =>
    context.onSlot(planned, async (slot) => {
      parted(slot, planned.kind);
      await slot.database.set(mode);
      await sleep(planned.ms);
      await slot.database.set('open');
    });

  return {
    kill: (planned) =>
      context.onSlot(planned, async (slot) => {
        system.nodes.expectEnd(slot);
        parted(slot, 'kill');
        slot.node?.signal('SIGKILL');
        await slot.node?.ended;
        slot.address = undefined;
        await system.nodes.fill(slot, true);
      }),
    pause: (planned) =>
      context.onSlot(planned, async (slot) => {
        parted(slot, 'pause');
        slot.node?.signal('SIGSTOP');
        await sleep(planned.ms);
        slot.node?.signal('SIGCONT');
      }),
    async rolling_restart(planned) {
      const fault = context.begin(planned.kind);
      for (const index of system.nodes.slots.keys()) {
        const slot = await context.takeSlot(index, { exactly: true });
        if (!slot) {
          context.skip(planned.kind, 'a node, or all others, were down');
          continue;
        }
        context.log(`rolling_restart ${slot.name}`);
        try {
          await restart(slot);
        } finally {
          slot.busy = false;
        }
      }
      fault.until = Date.now();
    },
    database_cut: (planned) => cable(planned, 'cut'),
    database_black_hole: (planned) => cable(planned, 'black_hole'),
  };
}
