/** An HTTP answer of an upstream. */
export interface Answer {
  readonly status: number;
  /** Sent as JSON, or unchanged if it is a string. */
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown by a route: the upstream's own refusal. */
export class Refusal extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`refused with ${answer.status}`);
    this.name = 'Refusal';
    this.answer = answer;
  }
}
