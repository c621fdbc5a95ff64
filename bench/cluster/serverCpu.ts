import { readFile } from 'node:fs/promises';
import { Client } from 'pg';

/** Reads the CPU time of the processes that serve a database, from `/proc`; not a number where there is none. */
export async function watchServer(url: string) {
  const client = new Client(url);
  await client.connect();
  const tickUs = 10_000;
  async function used(pid: number): Promise<number> {
    const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // The name of the process may contain spaces and ends with a bracket; user and system time are fields 14 and 15.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * tickUs;
  }
  return {
    /** Microseconds. */
    async cpu(): Promise<number> {
      const { rows } = await client.query<{ pid: number }>(
        "select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend'",
      );
      const each = await Promise.all(rows.map(({ pid }) => used(pid)));
      return each.reduce((sum, us) => sum + us, 0);
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}
