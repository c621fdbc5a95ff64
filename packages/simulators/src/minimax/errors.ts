import { randomBytes } from 'node:crypto';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';

/** MiniMax, "Video generation v2", the examples of its error answers: the number in brackets is the platform's error code. */
export const errorAnswer = (status: number, type: string, message: string, headers = {}): Answer => ({
  status,
  headers,
  body: {
    type: 'error',
    error: { type, message, http_code: String(status) },
    request_id: randomBytes(16).toString('hex'),
  },
});

const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));

export const refusals = {
  missingKey: () =>
    refusal(
      401,
      'authorized_error',
      "login fail: Please carry the API secret key in the 'Authorization' field of the request header (1004)",
    ),
  wrongKey: () => refusal(401, 'authorized_error', 'invalid api key (2049)'),
  noBalance: () => refusal(402, 'insufficient_balance_error', 'insufficient balance (1008)'),
  invalid: (what: string) => refusal(400, 'bad_request_error', `invalid params, ${what} (2013)`),
  sensitive: () =>
    refusal(422, 'unprocessable_entity_error', 'video description contains sensitive content (1026)'),
  rateLimited: (retryAfter: number) =>
    refusal(429, 'rate_limit_error', 'rate limit, please retry later (1002)', {
      'retry-after': String(retryAfter),
    }),
  noTask: () => {
    const { status, type, message } = ASSUMPTIONS.minimax.taskNotFound;
    return refusal(status, type, message);
  },
};
