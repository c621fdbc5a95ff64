import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/observability/metrics.ts';

describe('metrics', () => {
  it('show how this node uses each upstream account', async () => {
    const metrics = createMetrics(
      () => 3,
      () => [
        {
          id: 'one',
          inFlight: 2,
          places: 5,
          placesUsed: 4,
          blocked: true,
          callbackReliability: 0.9,
          pollPriceMs: 23,
        },
        {
          id: 'two',
          inFlight: 0,
          places: 1,
          placesUsed: 0,
          blocked: false,
          callbackReliability: 0,
          pollPriceMs: 0.5,
        },
      ],
      { version: '1.2.3' },
    );
    const text = await metrics.text();
    for (const line of [
      'onetake_tasks_unfinished 3',
      'onetake_account_in_flight{account="one"} 2',
      'onetake_account_blocked{account="one"} 1',
      'onetake_account_blocked{account="two"} 0',
      'onetake_account_places{account="one"} 5',
      'onetake_account_places_used{account="one"} 4',
      'onetake_account_callback_reliability{account="one"} 0.9',
      'onetake_account_poll_price_seconds{account="one"} 0.023',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
  });
});
