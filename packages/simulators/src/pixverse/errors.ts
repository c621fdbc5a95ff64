import { type Answer, Refusal } from '../core/http/answer.ts';

/** "Error codes": a code and a message in an answer with 200. */
export const errorAnswer = (code: number, message: string, status = 200, headers = {}): Answer => ({
  status,
  headers,
  body: { ErrCode: code, ErrMsg: message, Resp: null },
});

const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));

export const refusals = {
  notFound: () => refusal(400001, 'Task not found'),
  empty: (name: string) => refusal(400011, `Empty parameter: ${name}`),
  account: () => refusal(400012, 'Invalid account'),
  invalid: (message: string) => refusal(400017, `invalid param: ${message}`),
  tooMany: () => refusal(500044, 'Reached the limit for concurrent generations'),
  sensitive: () => refusal(500063, 'The prompt contains sensitive information'),
  noCredits: (code: number) => refusal(code, 'Insufficient balance'),
};
