import type { MediaStorage } from './media.ts';

/**
 * A storage in which nothing is committed, removed or listed before it is known to be this installation's. A storage that is away
 * when the gateway starts is claimed when it is back; until then what needs it fails as it would have anyway.
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
    // What is staged on this machine is nobody else's; it needs no storage before its commit.
    async write(key) {
      const write = await storage.write(key);
      return {
        ...write,
        async commit(under) {
          await claim();
          return write.commit(under);
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
