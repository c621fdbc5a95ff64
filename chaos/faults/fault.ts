import type { FaultKind, Pace, PlannedFault } from '../plan.ts';
import type { Slot } from '../system/nodes.ts';
import type { System } from '../system/system.ts';

/** A fault that was made. Times are milliseconds UTC, as the database's own, so that both can be compared. */
export interface Fault {
  readonly kind: FaultKind;
  /** The place that was hit; undefined where it was nobody's own. */
  readonly slot: string | undefined;
  readonly from: number;
  until: number | undefined;
  /** How many things it met, where that can be more than one: children, results. */
  hits: number | undefined;
  /** Prompts of results that are gone although the node that had fetched them may have lost its tasks meanwhile. */
  disturbed: readonly string[];
}

/** Makes faults of one kind. */
export type MakeFault = (planned: PlannedFault) => Promise<void>;

/** What the makers of faults share. */
export interface FaultContext {
  readonly system: System;
  readonly pace: Pace;
  readonly log: (line: string) => void;
  /** A fault that parts a node from its tasks begins. */
  readonly parted: (slot: Slot, kind: FaultKind) => void;
  /** Notes that a fault has begun. */
  begin(kind: FaultKind, slot?: Slot): Fault;
  /** Notes that a planned fault came to nothing. */
  skip(kind: FaultKind, why: string): void;
  /** A node that may be taken away: the one asked for, or (unless it must be that) the next; never the last that works. */
  takeSlot(
    asked: number,
    options?: { readonly exactly?: boolean; readonly patienceMs?: number },
  ): Promise<Slot | undefined>;
  /** Takes a node away for as long as `hit` takes. */
  onSlot(planned: PlannedFault, hit: (slot: Slot) => Promise<void>): Promise<void>;
}
