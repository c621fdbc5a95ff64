import { type Answer, Refusal } from '../core/http/answer.ts';

/** "Error handling": the type is for programs, the message for people. */
export const errorAnswer = (status: number, type: string, message: string, headers = {}): Answer => ({
  status,
  headers,
  body: { type: 'error', error: { type, message } },
});

const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));

export const FILTERED = 'Content rejected by safety filters.';

export const refusals = {
  invalid: (message: string) => refusal(400, 'invalid_request_error', message),
  notAuthenticated: () => refusal(401, 'authentication_error', 'Authentication failed.'),
  noCredits: () => refusal(402, 'insufficient_funds_error', 'Insufficient credits.'),
  notFound: () => refusal(404, 'not_found_error', 'Resource not found.'),
  filtered: () => refusal(422, 'content_filtered_error', FILTERED),
  tooFast: (seconds: number) =>
    refusal(429, 'rate_limit_error', 'Rate limit exceeded.', { 'retry-after': String(seconds) }),
  tooMany: (seconds: number) =>
    refusal(429, 'concurrency_limit_error', 'Too many concurrent requests. Please try again later.', {
      'retry-after': String(seconds),
    }),
};
