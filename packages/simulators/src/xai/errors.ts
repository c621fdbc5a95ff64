import { type Answer, Refusal } from '../core/http/answer.ts';

/** xAI answers errors as `{code, error}`. The code is the name of a gRPC status (docs.x.ai, "Debugging errors"). */
export const errorAnswer = (status: number, code: string, error: string, headers = {}): Answer => ({
  status,
  headers,
  body: { code, error },
});

const INVALID = 'Client specified an invalid argument';
const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));

export const refusals = {
  missingKey: () =>
    refusal(401, 'Unauthenticated', 'No API key provided. Specify it in the Authorization header.'),
  /** "400: an incorrect API key is supplied" (docs.x.ai, "Debugging errors"). */
  wrongKey: (key: string) =>
    refusal(400, INVALID, `Incorrect API key provided: ${key.slice(0, 2)}***${key.slice(-2)}.`),
  forbidden: () =>
    refusal(
      403,
      'The caller does not have permission to execute the specified operation',
      'Your API key is not allowed to use this model.',
    ),
  noCredits: () =>
    refusal(
      429,
      'Some resource has been exhausted',
      'Your team has either used all available credits or reached its monthly spending limit.',
    ),
  noModel: (model: string) =>
    refusal(404, 'Some requested entity was not found', `The model ${model} does not exist.`),
  invalid: (error: string) => refusal(400, INVALID, error),
  moderated: () =>
    refusal(400, INVALID, 'Generated video rejected by content moderation: the prompt was blocked.'),
  noVideo: (id: string) =>
    refusal(404, 'Some requested entity was not found', `No deferred request with id ${id}.`),
};
