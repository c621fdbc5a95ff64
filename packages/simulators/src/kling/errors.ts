import { type Answer, Refusal } from '../core/http/answer.ts';

/** "Error codes": a status, a business code and a message. */
export const errorAnswer = (status: number, code: number, message: string, headers = {}): Answer => ({
  status,
  headers,
  body: { code, message, request_id: 'simulated' },
});

const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));

export const refusals = {
  noToken: () => refusal(401, 1001, 'Authorization is empty'),
  wrongToken: () => refusal(401, 1002, 'Authorization is invalid'),
  tooEarly: () => refusal(401, 1003, 'Authorization is not yet valid'),
  tooLate: () => refusal(401, 1004, 'Authorization has expired'),
  inArrears: () => refusal(429, 1101, 'Account in arrears'),
  noCredits: () => refusal(429, 1102, 'Account balance not enough'),
  forbidden: () => refusal(403, 1103, 'Unauthorized access to requested resource'),
  invalid: (message: string) => refusal(400, 1201, message),
  notFound: (message: string) => refusal(404, 1203, message),
  content: () => refusal(400, 1301, 'Failure to pass the risk control system'),
  tooFast: (seconds: number) =>
    refusal(429, 1302, 'API requests too fast', { 'retry-after': String(seconds) }),
  tooMany: () => refusal(429, 1303, 'parallel task over resource pack limit'),
};
