/** The messages between the gateway and a native child. A child runs one job at a time. */
export interface JobMessage {
  /** URL of the job module. */
  readonly job: string;
  readonly input: unknown;
}

export type ChildMessage =
  | { readonly type: 'progress'; readonly percent: number }
  | { readonly type: 'done'; readonly output: unknown }
  | { readonly type: 'failed'; readonly message: string; readonly code?: string; readonly stack?: string };

/** What a job module can report while it runs. */
export interface JobContext {
  /** Reports how far the job is, 0-100. */
  progress(percent: number): void;
}

/** The `run` export of a job module. Input and output must be structured-cloneable. */
export type JobRun<I, O> = (input: I, context: JobContext) => Promise<O>;
