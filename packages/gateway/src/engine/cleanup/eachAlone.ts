/** Does `work` with one item after the other; those that throw keep no other from it. Resolves with those that did not. */
export async function eachAlone<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  onFailure: (item: T, error: unknown) => void,
): Promise<readonly T[]> {
  const done: T[] = [];
  for (const item of items) {
    try {
      await work(item);
      done.push(item);
    } catch (error) {
      onFailure(item, error);
    }
  }
  return done;
}
