/**
 * The simulator's behaviour where ByteDance documents nothing. Behaviour that others report is marked as such. An adapter should not
 * depend on any of it.
 */
export const ASSUMPTIONS = {
  /** An unknown id, or one of another account. Seen by others. */
  taskNotFound: { status: 404, code: 'ResourceNotFound', message: 'The specified resource is not found.' },
  /** `DELETE` of a running task ("not supported"). Seen by others. */
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
  /** Tasks that may wait in the queue of an account. "The request has exceeded the quota" says only that there is a limit. */
  queued: 1000,
  /** The seconds that the model chooses for `duration: -1`. */
  chosenSeconds: 5,
  /** Reference videos are not fetched. Each counts as this long. */
  referenceSeconds: 5,
  /** The ratio of `adaptive` without an image. */
  adaptiveRatio: '16:9',
  /** Pauses between the attempts of a callback. There are three more attempts, at undocumented times. Milliseconds. */
  callbackRetryMs: [5_000, 10_000, 20_000],
} as const;
