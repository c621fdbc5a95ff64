import { Refusal } from '../../core/http/answer.ts';

/**
 * Refusals of the Interactions API itself: a code that is a word, and a message (`ErrorT` of `@google/genai` 3.3.0; recorded answers of the
 * service). Keys and quotas are checked before it, by the front end that all of the Gemini API has.
 */
const refuse = (status: number, code: string, message: string): Refusal =>
  new Refusal({ status, body: { error: { message, code } } });

export const omniRefusals = {
  invalid: (message: string) => refuse(400, 'invalid_request', message),
  unsupported: (field: string, value: unknown, allowed: readonly string[]) =>
    refuse(
      400,
      'invalid_request',
      `The value '${String(value)}' is not supported for '${field}'. Supported values: ${allowed.map((word) => `'${word}'`).join(', ')}.`,
    ),
  /** A prompt that the filters refuse before anything runs. */
  blocked: () =>
    refuse(400, 'content_blocked', 'The request was blocked: the prompt contains sensitive words.'),
  /** Assumed: no client has published how a model that is unknown, or no longer there, is refused. */
  model: (name: string, why: string) => refuse(404, 'not_found', `The model ${name} ${why}.`),
  /** Not a 404. */
  unknown: (id: string) => refuse(400, 'invalid_request', `Invalid interaction name: interactions/${id}`),
} as const;

/** What the model says instead of a video if its own rules forbid it. The interaction is then `completed`. */
export const DECLINED = "I can't create that video, because it goes against my safety guidelines.";
