import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { assertOwnSession } from '../../src/cluster/postgres/ownSession.ts';
import { freshDatabase } from '../support/servers/database.ts';

/** A client that was greeted by one process of the server, and whose statements run in these. */
const clientOf = (processID: number, ...pids: number[]) =>
  ({ processID, query: async () => ({ rows: [{ pid: pids.shift() }] }) }) as unknown as Client;

describe('the session of a client', () => {
  it('is its own if its statements run in the process that greeted it, which needs no second client', async () => {
    await assertOwnSession(clientOf(7, 7), 'postgres://127.0.0.1:1/none');
  });

  it('is its own behind a pooler that keeps it', async () => {
    await assertOwnSession(clientOf(7, 1, 1), await freshDatabase());
  });

  it('is shared if its statements move to another process', async () => {
    const moved = assertOwnSession(clientOf(7, 1, 2), await freshDatabase());
    await expect(moved).rejects.toMatchObject({ code: 'session_shared', status: 503 });
  });
});
