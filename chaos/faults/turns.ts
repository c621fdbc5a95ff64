/** Separates a fault that needs the system for itself from the others. */
export interface Turns {
  /** Together with others, and never with an exclusive one. */
  together(work: () => Promise<void>): Promise<void>;
  /** After all others are over; new ones wait until this one is. */
  alone(work: () => Promise<void>): Promise<void>;
}

export function createTurns(): Turns {
  const going = new Set<Promise<void>>();
  /** The exclusive one that runs or waits. */
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
