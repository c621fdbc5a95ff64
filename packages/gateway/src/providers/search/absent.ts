/**
 * The verdict that a lost submission certainly created no job, and that none will appear later. Only `judge.ts` may create it: an
 * adapter that has read its upstream's list cannot say so by itself.
 */
export class Absent {
  readonly found = false;
  readonly certainty = 'absent';
  /** Makes the type nominal: no other object of this shape is accepted. */
  declare protected readonly proven: true;
}
