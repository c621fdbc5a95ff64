import { Refusal } from '../core/http/answer.ts';
import { ERRORS } from './answers.ts';
import type { WanContext } from './tasks.ts';

/** Takes one of a number of turns a second. Refuses if none is left. */
export function limitRate({ name, shared }: WanContext, bucket: string, perSecond: number): void {
  if (shared.limiter.take(`${name} ${bucket}`, { requests: perSecond, perMs: 1000 }) > 0) {
    throw new Refusal(ERRORS.tooFast());
  }
}
