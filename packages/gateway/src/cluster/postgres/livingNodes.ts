import { Client } from 'pg';
import { unusableDatabase } from '../../store/postgres/errors.ts';
import { LIVING_NODES } from '../../store/postgres/nodes.ts';
import { connectionTo } from '../../store/postgres/url.ts';

/** Names of the nodes that currently run on a database. */
export async function livingNodes(url: string): Promise<readonly string[]> {
  const client = new Client({ ...connectionTo(url), application_name: 'onetake' });
  // A lost connection fails the query. Without a listener the event would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ name: string }>(LIVING_NODES);
    return rows.map(({ name }) => name);
  } catch (error) {
    throw unusableDatabase(url, error);
  } finally {
    await client.end();
  }
}
