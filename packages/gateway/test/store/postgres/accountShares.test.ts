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

describe('the rows of account shares', () => {
  const rowsOf = async ({ pool }: Sessions) =>
    (
      await pool.query(
        `select account_id as account, node, places, rate, in_use as "inUse", waiting, generation, since::float8 as since,
           vacant_at::float8 as "vacantAt" from account_shares order by account_id, node`,
      )
    ).rows;

  it('hold what each node reported of each account, and what it was granted', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    const grants = await share(sessions, a, [
      aReport({ account: 'two', limit: 6, waiting: 2 }),
      aReport({ account: 'one', inUse: 3, waiting: 1, generation: 4 }),
    ]);
    expect(grants).toMatchObject([
      { account: 'two', places: 6, fairPlaces: 6 },
      { account: 'one', places: LIMIT, fairPlaces: LIMIT },
    ]);
    // Of the other account the other node has everything to give, and takes nothing of the first.
    const [other] = await share(sessions, b, [aReport({ account: 'three', limit: 5 })]);
    expect(other).toMatchObject({ places: 5, rate: WHOLE_RATE, rateBefore: 0 });
    const [second] = await share(sessions, b, [aReport({ account: 'two', limit: 6, waiting: 9 })]);
    expect(second).toMatchObject({ places: 0, fairPlaces: 4, lacking: true, rateBefore: WHOLE_RATE });
    expect(await rowsOf(sessions)).toMatchObject([
      {
        account: 'one',
        node: a,
        places: LIMIT,
        rate: WHOLE_RATE,
        inUse: 3,
        waiting: 1,
        generation: 4,
        vacantAt: null,
      },
      { account: 'three', node: b, places: 5, rate: WHOLE_RATE, inUse: 0, waiting: 0, generation: 0 },
      { account: 'two', node: a, places: 6, waiting: 2, generation: 0 },
      { account: 'two', node: b, places: 0, rate: 0, waiting: 9 },
    ]);
  });

  it('keep the time since which a node holds slots, or holds none', async () => {
    const sessions = await createSessions();
    const node = await sessions.join();
    const since = async () => Number((await rowsOf(sessions))[0]?.since);
    const moveBack = () => sessions.pool.query('update account_shares set since = since - 1000');
    await share(sessions, node, [aReport({ limit: 0 })]);
    await moveBack();
    const none = await since();
    expect(none).toBeGreaterThan(1_000_000_000_000);
    await share(sessions, node, [aReport({ limit: 0, waiting: 1 })]);
    expect(await since()).toBe(none);
    // A task in flight counts as held, with or without a slot for it.
    await share(sessions, node, [aReport({ limit: 0, inUse: 1 })]);
    await moveBack();
    const holding = await since();
    expect(holding).toBeGreaterThan(none);
    await share(sessions, node, [aReport({ limit: 1, inUse: 1 })]);
    await share(sessions, node, [aReport({ limit: 1, places: 1 })]);
    expect(await since()).toBe(holding);
    await share(sessions, node, [aReport({ limit: 0 })]);
    expect(await since()).toBeGreaterThan(holding);
  });

  it('accept a report of the same generation, and no earlier one', async () => {
    const sessions = await createSessions();
    const node = await sessions.join();
    await share(sessions, node, [aReport({ generation: 2 })]);
    expect(await share(sessions, node, [aReport({ generation: 2, waiting: 1 })])).toHaveLength(1);
    expect(
      await share(sessions, node, [aReport({ generation: 1 }), aReport({ account: 'two' })]),
    ).toMatchObject([{ account: 'two' }]);
    expect((await rowsOf(sessions))[0]).toMatchObject({ generation: 2, waiting: 1 });
  });

  it('of a dead node are marked once, and removed after the time given for adoption', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    await share(sessions, a, [aReport({ waiting: 9 }), aReport({ account: 'two', waiting: 9 })]);
    await sessions.die(a);
    const vacant = async () =>
      (await rowsOf(sessions)).filter(({ node }) => node === a).map(({ vacantAt }) => vacantAt);
    await share(sessions, b, [aReport()], 60_000);
    const [one, two] = await vacant();
    expect([one > 0, two]).toEqual([true, null]);
    await share(sessions, b, [aReport()], 60_000);
    expect(await vacant()).toEqual([one, null]);
    await sessions.pool.query('update account_shares set vacant_at = vacant_at - 60000');
    const [grant] = await share(sessions, b, [aReport({ waiting: 9 })], 60_000);
    expect([grant?.places, await vacant()]).toEqual([LIMIT, [null]]);
  });

  it('of a node that lives are never marked', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    await share(sessions, a, [aReport({ waiting: 9 })]);
    await share(sessions, b, [aReport()]);
    expect((await rowsOf(sessions)).map(({ vacantAt }) => vacantAt)).toEqual([null, null]);
  });

  it('keep trouble of each account apart', async () => {
    const sessions = await createSessions();
    const [a, b] = [await sessions.join(), await sessions.join()];
    const trouble = { failures: 3, waitMs: 0, reason: 'auth_failed' };
    await share(sessions, a, [aReport({ account: 'two', trouble }), aReport()]);
    const grants = await share(sessions, b, [aReport(), aReport({ account: 'two' })]);
    expect(grants).toMatchObject([
      { account: 'one', failures: 0, waitMs: 0, revision: 0 },
      { account: 'two', ...trouble, revision: 1 },
    ]);
    expect(grants[0]?.reason).toBeUndefined();
    expect(grants[0]?.at).toBe(grants[1]?.at);
    const { rows } = await sessions.pool.query(
      'select blocked_until::int as until from account_state where failures > 0',
    );
    expect(rows).toEqual([{ until: 0 }]);
  });
});

async function insertRunningTask({ pool }: Sessions, owner: string): Promise<void> {
  await pool.query(
    `insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
     values ('t1', 'p', 'k', 'm', '{}', 'running', 1, $1, 1, 0, 0, '{}')`,
    [owner],
  );
}
