/** This node's part of the rates of an account that several nodes use. */
export interface RateShare {
  /** 0 … 1. */
  rate(): number;
  /**
   * Where an upstream allows so few calls that parts of them are no use: they go in turns of `everyMs`, each of one node. How
   * long until the first of this node's that is no sooner than in `afterMs`; milliseconds, both from now.
   */
  turnIn(everyMs: number, afterMs: number): number;
}
