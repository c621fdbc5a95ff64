/** Keeps faults apart from one that must have the system for itself. */
export interface Turns {
  /** Beside others, and never beside one that is alone. */
  together(work: () => Promise<void>): Promise<void>;
  /** Once all others are over; they wait until this is. */
  alone(work: () => Promise<void>): Promise<void>;
}

export function createTurns(): Turns {
  const going = new Set<Promise<void>>();
  /** The one that is alone, or waits to be. */
  let single: Promise<void> | undefined;

  return {
    async together(work) {
      while (single) await single.catch(() => undefined);
      const mine = work();
      going.add(mine);
      try {
        await mine;
      } finally {
        going.delete(mine);
      }
    },
    async alone(work) {
      while (single) await single.catch(() => undefined);
      const mine = Promise.allSettled(going).then(work);
      single = mine;
      try {
        await mine;
      } finally {
        single = undefined;
      }
    },
  };
}
