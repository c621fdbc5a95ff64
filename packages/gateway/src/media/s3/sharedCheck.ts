/**
 * One check for everybody who asks within `freshMs` (milliseconds): a question that many ask often must not cost each
 * time. `now` in milliseconds, of a clock that never goes back.
 */
export function sharedCheck(
  check: () => Promise<void>,
  freshMs: number,
  now: () => number,
): () => Promise<void> {
  let latest: { readonly result: Promise<void>; readonly until: number } | undefined;
  return () => {
    if (latest && now() < latest.until) return latest.result;
    const result = check();
    // Whoever asks hears of a failure; nobody may be there to hear of it later.
    result.catch(() => undefined);
    latest = { result, until: now() + freshMs };
    return result;
  };
}
