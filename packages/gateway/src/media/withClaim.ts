import type { MediaStorage } from './media.ts';

/**
 * Wraps a storage so that nothing is committed, removed or listed before this installation has claimed it. If the storage is
 * unavailable at the start, it is claimed when it is back; until then these operations fail, as they would without the claim.
 */
export function withClaim(storage: MediaStorage, installation: string): MediaStorage {
  let claimed: Promise<void> | undefined;

  function claim(): Promise<void> {
    claimed ??= storage.claim(installation).catch((error: unknown) => {
      claimed = undefined;
      throw error;
    });
    return claimed;
  }

  return {
    ...storage,
    claim,
    // Staged bytes are on this machine, so no claim is needed before the commit.
    async write(key) {
      const write = await storage.write(key);
      return {
        ...write,
        async commit(...args) {
          await claim();
          return write.commit(...args);
        },
      };
    },
    async remove(key) {
      await claim();
      await storage.remove(key);
    },
    async *list(after) {
      await claim();
      yield* storage.list(after);
    },
    async removeLeftovers(before, isNeeded) {
      await claim();
      return storage.removeLeftovers(before, isNeeded);
    },
    async check() {
      await claim();
      await storage.check();
    },
  };
}
