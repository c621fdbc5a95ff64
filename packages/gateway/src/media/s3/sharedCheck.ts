/** How long the result of a check is reused. Milliseconds. */
const FRESH_MS = 5000;

/**
 * Shares the result of a check among all calls within `FRESH_MS`, so that frequent calls cost one request.
 * `now` is a monotonic clock in milliseconds.
 */
export function sharedCheck(check: () => Promise<void>, now: () => number): () => Promise<void> {
  let latest: { readonly result: Promise<void>; readonly until: number } | undefined;
  return () => {
    if (latest && now() < latest.until) return latest.result;
    const result = check();
    // Callers get the rejection. This handler only keeps it from counting as unhandled.
    result.catch(() => undefined);
    latest = { result, until: now() + FRESH_MS };
    return result;
  };
}
