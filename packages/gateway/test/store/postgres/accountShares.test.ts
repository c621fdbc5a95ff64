import { describe, expect, it } from 'vitest';
import { shareAccounts } from '../../../src/store/postgres/accountShares.ts';
import { WHOLE_RATE } from '../../../src/store/shares.ts';
import type { AccountGrant, AccountReport } from '../../../src/store/store.ts';
import { createSessions, type Sessions } from '../../support/nodes/sessions.ts';

const LIMIT = 20;

const aReport = (changes: Partial<AccountReport> = {}): AccountReport => ({
  account: 'one',
  limit: LIMIT,
  places: 0,
  rate: 0,
  inUse: 0,
  waiting: 0,
  generation: 0,
  ...changes,
});

async function share(
  { pool }: Sessions,
  node: string,
  reports: readonly AccountReport[],
  adoptedMs = 0,
): Promise<readonly AccountGrant[]> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const grants = await shareAccounts(client, node, reports, { adoptedMs });
    await client.query('commit');
    return grants;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

/** As a node does: uses no more than its fair part from its next report on. */
async function look(sessions: Sessions, node: string, held: AccountGrant | undefined, waiting: number) {
  const places = Math.min(held?.places ?? 0, held?.fairPlaces ?? 0);
  const rate = Math.min(held?.rate ?? 0, held?.fairRate ?? 0);
  const [grant] = await share(sessions, node, [aReport({ places, rate, waiting })]);
  return grant;
}

describe('sharing accounts on PostgreSQL', () => {
  it('gives one node everything, and half of it to another node once the first has returned it', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    const first = await look(sessions, a, undefined, 50);
    expect(first).toMatchObject({ places: LIMIT, rate: WHOLE_RATE, lacking: false, wanted: false });
    const early = await look(sessions, b, undefined, 50);
    expect(early).toMatchObject({ places: 0, rate: 0, fairPlaces: 10, lacking: true });
    const told = await look(sessions, a, first, 50);
    expect(told).toMatchObject({ places: LIMIT, fairPlaces: 10, wanted: true });
    expect(await look(sessions, a, told, 50)).toMatchObject({ places: 10, fairPlaces: 10 });
    expect(await look(sessions, b, early, 50)).toMatchObject({ places: 10, lacking: false });
  });

  it('gives nothing to a node whose lease has ended', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    await look(sessions, a, undefined, 5);
    await sessions.die(a);
    expect(await look(sessions, a, undefined, 5)).toBeUndefined();
    expect(await look(sessions, b, undefined, 5)).toMatchObject({ rate: WHOLE_RATE });
  });

  it('ignores a report that arrives after a later one', async () => {
    const sessions = await createSessions();
    const node = await sessions.join();
    await share(sessions, node, [aReport({ waiting: 5, generation: 1 })]);
    expect(await share(sessions, node, [aReport({ generation: 0 })])).toEqual([]);
    const { rows } = await sessions.pool.query('select waiting, places from account_shares');
    expect(rows).toEqual([{ waiting: 5, places: LIMIT }]);
  });

  it('grants no more than it has given, whatever a node claims to hold', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    await look(sessions, a, undefined, 50);
    const [grant] = await share(sessions, b, [aReport({ places: LIMIT, rate: WHOLE_RATE, waiting: 50 })]);
    expect(grant).toMatchObject({ places: 0, rate: 0 });
  });

  it('writes nothing if nothing has changed', async () => {
    const sessions = await createSessions();
    const node = await sessions.join();
    const first = await look(sessions, node, undefined, 0);
    const version = async () =>
      (await sessions.pool.query('select xmin::text, ctid from account_shares')).rows;
    const before = await version();
    await look(sessions, node, first, 0);
    expect(await version()).toEqual(before);
    await look(sessions, node, first, 1);
    expect(await version()).not.toEqual(before);
  });

  it('stays within the limits while many nodes report at once, on many accounts, in any order', async () => {
    const sessions = await createSessions();
    const accounts = ['c', 'a', 'b'];
    const nodes = await Promise.all(Array.from({ length: 4 }, () => sessions.join()));
    await Promise.all(
      nodes.map(async (node, index) => {
        let held: readonly AccountGrant[] = [];
        for (let round = 0; round < 15; round++) {
          const order = index % 2 === 0 ? accounts : [...accounts].reverse();
          held = await share(
            sessions,
            node,
            order.map((account) => {
              const grant = held.find((one) => one.account === account);
              return aReport({
                account,
                places: Math.min(grant?.places ?? 0, grant?.fairPlaces ?? 0),
                rate: Math.min(grant?.rate ?? 0, grant?.fairRate ?? 0),
                waiting: (round * 7 + index * 13) % 30,
              });
            }),
          );
          const { rows } = await sessions.pool.query(
            'select sum(places)::int as places, sum(rate)::int as rate from account_shares group by account_id',
          );
          for (const { places, rate } of rows) {
            expect(places).toBeLessThanOrEqual(LIMIT);
            expect(rate).toBeLessThanOrEqual(WHOLE_RATE);
          }
        }
      }),
    );
    const { rows } = await sessions.pool.query(
      'select sum(places)::int as places from account_shares group by account_id',
    );
    for (const { places } of rows) expect(places).toBeGreaterThan(LIMIT / 2);
  });

  it("keeps a dead node's places until its tasks are adopted, and a little longer", async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    await look(sessions, a, undefined, 50);
    await insertRunningTask(sessions, a);
    await sessions.die(a);
    const held = await look(sessions, b, undefined, 50);
    expect(held).toMatchObject({ places: 0, rate: WHOLE_RATE });
    await sessions.pool.query('update tasks set owner = $1', [b]);
    // This report sees that it is free; the next one may use it.
    expect(await look(sessions, b, held, 50)).toMatchObject({ places: 0 });
    const [later] = await share(sessions, b, [aReport({ waiting: 50 })], 60_000);
    expect(later).toMatchObject({ places: 0 });
    expect(await look(sessions, b, held, 50)).toMatchObject({ places: LIMIT });
    const { rows } = await sessions.pool.query('select node from account_shares');
    expect(rows).toEqual([{ node: b }]);
  });

  it('tells every node what one node learnt about an account, with the remaining time by the database’s clock', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    await share(sessions, a, [aReport({ trouble: { failures: 2, waitMs: 60_000, error: 'slow down' } })]);
    const [told] = await share(sessions, b, [aReport()]);
    expect(told).toMatchObject({ failures: 2, revision: 1 });
    expect(told?.waitMs).toBeGreaterThan(50_000);
    expect(told?.waitMs).toBeLessThanOrEqual(60_000);
    // It works again, but nodes that were told to wait still wait that long.
    await share(sessions, b, [aReport({ trouble: { failures: 0, waitMs: 0 } })]);
    const [after] = await share(sessions, a, [aReport()]);
    expect(after).toMatchObject({ failures: 0, revision: 2 });
    expect(after?.waitMs).toBeGreaterThan(50_000);
    const { rows } = await sessions.pool.query('select last_error from account_state');
    expect(rows).toEqual([{ last_error: 'slow down' }]);
  });
});

async function insertRunningTask({ pool }: Sessions, owner: string): Promise<void> {
  await pool.query(
    `insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
     values ('t1', 'p', 'k', 'm', '{}', 'running', 1, $1, 1, 0, 0, '{}')`,
    [owner],
  );
}
