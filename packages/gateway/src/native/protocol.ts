/** What the gateway and a native child say to each other. One job at a time per child. */
export interface JobMessage {
  /** URL of the job module. */
  readonly job: string;
  readonly input: unknown;
}

export type ChildMessage =
  | { readonly type: 'progress'; readonly percent: number }
  | { readonly type: 'done'; readonly output: unknown }
  | { readonly type: 'failed'; readonly message: string; readonly stack?: string };

/** What a job module may tell while it runs. */
export interface JobContext {
  /** Reports how far the job is, 0-100. */
  progress(percent: number): void;
}

/** What a job module exports as `run`. Input and output are structured-clone values. */
export type JobRun<I, O> = (input: I, context: JobContext) => Promise<O>;
