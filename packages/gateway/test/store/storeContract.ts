import { expect, it } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { describeAccepting } from './acceptContract.ts';
import { describeSharing } from './clusterContract.ts';
import { describeLists } from './listContract.ts';
import { describeOtherRows } from './otherRowsContract.ts';
import { describeTasks } from './tasksContract.ts';
import { describeWords } from './wordsContract.ts';

/** What any store keeps, whatever it is made of. `open` gives an empty one, which goes when the test ends. */
export function describeStoreContract(name: string, open: () => Promise<Store>): void {
  describeAccepting(name, open);
  describeTasks(name, open);
  describeSharing(name, open);
  describeLists(name, open);
  describeOtherRows(name, open);
  describeWords(name, open);

  it(`${name}: says that it works`, async () => {
    await expect((await open()).check()).resolves.toBeUndefined();
  });
}
