import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Slot } from '../system/nodes.ts';
import type { System } from '../system/system.ts';
import type { FaultContext } from './fault.ts';

/** An arbitrary number that no lock of the gateway has. */
const LOCK = 0x0c4a_0001;
const LOOK_MS = 20;

/**
 * Delays a migration after its `stop_at`th statement that changes the schema, while somebody has the lock. A sequence
 * also counts statements that are rolled back.
 */
const SET_UP = `
  create schema chaos;
  create sequence chaos.statement;
  create table chaos.plan as select 0 as stop_at;
  create function chaos.hold_up() returns event_trigger language plpgsql as $$
  begin
    if nextval('chaos.statement') = (select stop_at from chaos.plan) then
      perform pg_advisory_xact_lock_shared(${LOCK});
    end if;
  end $$;
  create event trigger chaos on ddl_command_end when tag in ('CREATE TABLE', 'CREATE INDEX', 'ALTER TABLE')
    execute function chaos.hold_up();`;
const TEAR_DOWN = 'drop event trigger chaos; drop schema chaos cascade';
const HELD_UP = `select client_port as port from pg_stat_activity
  where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory'
    and application_name = 'onetake migrate'`;

/** Starts all nodes at once on the empty database, and kills the one that migrates it, each time a little later in its work. */
export async function killMigrations(context: FaultContext): Promise<void> {
  const { system, pace } = context;
  const client = new Client({ connectionString: system.servers.databaseUrl });
  await client.connect();
  try {
    await client.query(SET_UP);
    await stopAt(client, 1);
    let listening = false;
    const everybody = Promise.all(system.nodes.slots.map((slot) => system.nodes.fill(slot, true))).then(
      () => {
        listening = true;
      },
    );
    for (let kill = 1; kill <= pace.migrationKills; kill++) {
      const slot = await heldUp(client, system, () => listening);
      if (!slot) {
        context.skip('migration_killed', 'the migration was over before');
        continue;
      }
      const fault = context.begin('migration_killed', slot);
      system.nodes.expectEnd(slot);
      slot.node?.signal('SIGKILL');
      await slot.node?.ended;
      fault.until = Date.now();
      // The session of the dead node continues, gets no response, and rolls back.
      await stopAt(client, kill < pace.migrationKills ? (kill + 1) ** 2 : 0);
    }
    await client.query(`select pg_advisory_unlock_all()`);
    await everybody;
    await client.query(TEAR_DOWN);
  } finally {
    await client.end();
  }
}

/** Delays the next migration after this many statements, and releases the delayed one; 0 for none. */
async function stopAt(client: Client, statements: number): Promise<void> {
  await client.query(`select setval('chaos.statement', 1, false)`);
  await client.query('update chaos.plan set stop_at = $1', [statements]);
  await client.query('select pg_advisory_unlock_all()');
  await client.query('select pg_advisory_lock($1)', [LOCK]);
}

/** The slot of the node whose migration is delayed; undefined if all have finished. */
async function heldUp(client: Client, system: System, over: () => boolean): Promise<Slot | undefined> {
  while (!over()) {
    const { rows } = await client.query<{ port: number }>(HELD_UP);
    const slot = system.nodes.slots.find(({ database }) =>
      rows.some(({ port }) => database.outgoing.has(port)),
    );
    if (slot) return slot;
    await sleep(LOOK_MS);
  }
  return undefined;
}
