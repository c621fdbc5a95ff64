import type { MediaStorage } from './media.ts';

/**
 * A storage in which nothing is written, removed or listed before it is known to be this installation's. A storage that is away
 * when the gateway starts is claimed when it is back; until then what needs it fails as it would have anyway.
 */
export function claimFirst(storage: MediaStorage, installation: string): MediaStorage {
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
    async write(key) {
      await claim();
      return storage.write(key);
    },
    async remove(key) {
      await claim();
      await storage.remove(key);
    },
    async *list(after) {
      await claim();
      yield* storage.list(after);
    },
    async removeLeftovers(before) {
      await claim();
      return storage.removeLeftovers(before);
    },
    async check() {
      await claim();
      await storage.check();
    },
  };
}
