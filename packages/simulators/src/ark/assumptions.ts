/**
 * What ByteDance does not document, and what the simulator does there. What others report to have seen is marked as such: an
 * adapter should not depend on any of it.
 */
export const ASSUMPTIONS = {
  /** An id that is not there, or another account's; seen by others. */
  taskNotFound: { status: 404, code: 'ResourceNotFound', message: 'The specified resource is not found.' },
  /** `DELETE` of a running task ("not supported"); seen by others. */
  deleteRunning: {
    status: 409,
    code: 'InvalidAction.RunningTaskDeletion',
    message: (id: string) => `Cannot delete task \`${id}\` because it is currently running.`,
  },
  /** `DELETE` of a cancelled task ("not supported"). */
  deleteCancelled: {
    status: 409,
    code: 'InvalidAction.CancelledTaskDeletion',
    message: (id: string) => `Cannot delete task \`${id}\` because it is cancelled.`,
  },
  /** Tasks that may wait in the queue of an account: "The request has exceeded the quota" says only that there is a bound. */
  queued: 1000,
  /** Seconds that `duration: -1` comes to; the model chooses. */
  chosenSeconds: 5,
  /** The ratio that `adaptive` comes to without an image. */
  adaptiveRatio: '16:9',
  /** Pauses between the attempts of a callback: three more are made, at times that are not documented. Milliseconds. */
  callbackRetryMs: [5_000, 10_000, 20_000],
} as const;
