import type { FaultKind, Pace, PlannedFault } from '../plan.ts';
import type { Slot } from '../system/nodes.ts';
import type { System } from '../system/system.ts';

/** A fault that happened. Times are milliseconds UTC, like the database's own, so that both can be compared. */
export interface Fault {
  readonly kind: FaultKind;
  /** The slot that was hit; undefined if the fault affects no particular one. */
  readonly slot: string | undefined;
  readonly from: number;
  until: number | undefined;
  /** How many children or results it hit, for faults that can hit several. */
  hits: number | undefined;
  /** Prompts of results that are gone, although the node that downloaded them may have lost its tasks in the meantime. */
  disturbed: readonly string[];
}

/** Injects faults of one kind. */
export type MakeFault = (planned: PlannedFault) => Promise<void>;

/** What the injectors of faults share. */
export interface FaultContext {
  readonly system: System;
  readonly pace: Pace;
  readonly log: (line: string) => void;
  /** A fault that separates a node from its tasks begins. */
  readonly parted: (slot: Slot, kind: FaultKind) => void;
  /** Records that a fault has begun. */
  begin(kind: FaultKind, slot?: Slot): Fault;
  /** Records that a planned fault had no effect. */
  skip(kind: FaultKind, why: string): void;
  /** A node that may be taken away: the requested one, or (unless it must be that one) the next; never the last one that works. */
  takeSlot(
    asked: number,
    options?: { readonly exactly?: boolean; readonly patienceMs?: number },
  ): Promise<Slot | undefined>;
  /** Takes a node away while `hit` runs. */
  onSlot(planned: PlannedFault, hit: (slot: Slot) => Promise<void>): Promise<void>;
}
