import { OnetakeError } from '../tasks/errors.ts';

/** The store cannot be reached, or cannot do this now. The same write may succeed later. */
export class StoreUnavailable extends OnetakeError {
  constructor(message: string, retryAfterSeconds: number, cause?: unknown) {
    super('store_unavailable', 503, message, { retryAfterSeconds }, cause);
    this.name = 'StoreUnavailable';
  }
}

/** As `StoreUnavailable`, of a write that may have been done nevertheless. */
export class OutcomeUnknown extends StoreUnavailable {}

/** The store works but refuses this write: its values are invalid or violate a constraint. Retrying cannot help. */
export class StoreRefused extends OnetakeError {
  constructor(cause: unknown) {
    const message = 'The database refused what was to be written; tell the operator the request id.';
    super('internal_error', 500, message, {}, cause);
    this.name = 'StoreRefused';
  }
}
