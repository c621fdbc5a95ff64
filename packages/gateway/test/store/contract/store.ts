import { expect, it } from 'vitest';
import type { StoreWithLedger } from '../../support/ledger.ts';
import { describeAccepting } from './accept.ts';
import { describeEstimates } from './estimates.ts';
import { describeEvents } from './events.ts';
import { describeLimits } from './limits.ts';
import { describeLists } from './list.ts';
import { describeSharing } from './nodes.ts';
import { describeOtherRows } from './otherRows.ts';
import { describeProjects } from './projects.ts';
import { describeQuotas } from './quotas.ts';
import { describeTasks } from './tasks.ts';
import { describeWebhooks } from './webhooks.ts';
import { describeWords } from './words.ts';

/** The contract of every store. `open` returns an empty one, which is closed when the test ends. */
export function describeStoreContract(name: string, open: () => Promise<StoreWithLedger>): void {
  describeAccepting(name, open);
  describeTasks(name, open);
  describeSharing(name, open);
  describeLimits(name, open);
  describeQuotas(name, open);
  describeEstimates(name, open);
  describeEvents(name, open);
  describeWebhooks(name, open);
  describeLists(name, open);
  describeOtherRows(name, open);
  describeProjects(name, open);
  describeWords(name, open);

  it(`${name}: reports that it works`, async () => {
    await expect((await open()).check()).resolves.toBeUndefined();
  });
}
