/** Runs a function now, or in a later turn of the event loop if this turn has run enough of them. Their order stays. */
export type Turns = (work: () => void) => void;

/** So many that arrive at once do not block the event loop: timers and I/O have a turn after every `most` of them. */
export function createTurns(most: number): Turns {
  const waiting: (() => void)[] = [];
  let ran = 0;
  let scheduled = false;

  function run(work: () => void): void {
    if (!scheduled) setImmediate(next);
    scheduled = true;
    if (ran >= most || waiting.length > 0) return void waiting.push(work);
    ran += 1;
    work();
  }

  function next(): void {
    scheduled = false;
    const now = waiting.splice(0, most);
    ran = now.length;
    if (ran > 0) setImmediate(next);
    scheduled = ran > 0;
    for (const work of now) work();
  }

  return run;
}
