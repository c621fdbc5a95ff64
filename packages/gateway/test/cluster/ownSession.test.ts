import type { Client } from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createTcpSwitch } from '../../../../scripts/servers/tcpSwitch.ts';
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

  it('is its own if the second client loses its connection in the middle', async () => {
    const url = new URL(await freshDatabase());
    const way = await createTcpSwitch(Number(url.port));
    onTestFinished(() => way.close());
    url.port = String(way.port);
    const client = clientOf(7, 1, 1);
    const query = vi.spyOn(client, 'query');
    const cutting = assertOwnSession(client, url.href);
    // By its second statement, which runs beside that of the second client.
    await vi.waitFor(() => expect(query).toHaveBeenCalledTimes(2), { timeout: 20_000, interval: 1 });
    await way.set('cut');
    await cutting;
  });

  it('is shared if its statements move to another process', async () => {
    const moved = assertOwnSession(clientOf(7, 1, 2), await freshDatabase());
    await expect(moved).rejects.toMatchObject({ code: 'session_shared', status: 503 });
  });
});
