/** This node's part of the rates of an account that several nodes use. */
export interface RateShare {
  /** 0 … 1. */
  rate(): number;
  /**
   * For upstreams that allow too few calls to divide them. Instead nodes take turns of `everyMs`. Returns the time until this
   * node's first turn that begins no sooner than `afterMs` from now. Milliseconds.
   */
  turnIn(everyMs: number, afterMs: number): number;
}
