/** Runs `work` for each item in order. A failure does not stop the rest. Resolves with the items that succeeded. */
export async function tryEach<T>(
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
