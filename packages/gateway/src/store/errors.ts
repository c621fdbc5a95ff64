import { OnetakeError } from '../tasks/errors.ts';

/** The store cannot be reached, or cannot do this now: the very same write may succeed later. */
export class StoreUnavailable extends OnetakeError {
  constructor(message: string, retryAfterSeconds: number, cause?: unknown) {
    super('store_unavailable', 503, message, { retryAfterSeconds }, cause);
    this.name = 'StoreUnavailable';
  }
}

/** The store works and refuses this very write: its values do not fit, or break a constraint. No repetition mends it. */
export class StoreRefused extends OnetakeError {
  constructor(cause: unknown) {
    const message = 'The database refused what was to be written; tell the operator the request id.';
    super('internal_error', 500, message, {}, cause);
    this.name = 'StoreRefused';
  }
}
