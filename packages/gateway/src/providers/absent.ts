/**
 * That a lost submission was certainly not made, and will not appear later. `http/judge.ts` alone makes one: an adapter that reads
 * its upstream's list by itself cannot say so.
 */
export class Absent {
  readonly found = false;
  readonly certainty = 'absent';
  /** For the compiler: nothing else of this shape is one. */
  declare protected readonly proven: true;
}
