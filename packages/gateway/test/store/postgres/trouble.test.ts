import { describe, expect, inject, it } from 'vitest';
import { aTask } from '../../support/builders.ts';
import { connect, freshDatabase } from '../../support/servers/database.ts';
import { accepted, INTENT, moved } from '../contract/steps.ts';
import { openStore } from './openStore.ts';

const NOT_NOW = {
  code: 'store_unavailable',
  status: 503,
  details: { retryAfterSeconds: expect.any(Number) },
};

describe('a database that an operator changes while the gateway runs', () => {
  it('causes no error when a table is altered: each connection is reopened', async () => {
    const url = await freshDatabase();
    const store = await openStore(url, { poolSize: 3 });
    const ids = (await Promise.all(Array.from({ length: 3 }, () => accepted(store)))).map(({ id }) => id);
    const readAll = () => Promise.all(ids.map((id) => store.task(id)));
    await store.adopt('node-1', 10);
    const before = await readAll();
    const client = await connect(url);
    await client.query('alter table tasks alter column owner type varchar(200)');
    expect(await readAll()).toEqual(before);
    await client.query('alter table tasks alter column owner type varchar(201)');
    // A write that returns rows also has such a plan; it was not executed.
    const [adopted, ...others] = await store.adopt('node-2', 10);
    expect(others).toHaveLength(2);
    expect(adopted?.version).toBe(3);
    expect(adopted && (await store.commit(moved(adopted, INTENT)))).toBe(true);
  });

  it('is not ready after rights were revoked, and the reason names the tables', async () => {
    const role = `app_${process.pid}_${Date.now()}`;
    const admin = await connect(inject('postgres'));
    await admin.query(`create role ${role} login`);
    const url = new URL(await freshDatabase(`owner ${role}`));
    url.username = role;
    const store = await openStore(url.href);
    const task = await accepted(store);
    const client = await connect(url.href);
    await client.query(`revoke insert on ledger from ${role}`);
    await client.query(`revoke update on tasks from ${role}`);
    await expect(store.check()).rejects.toMatchObject({
      ...NOT_NOW,
      message: expect.stringMatching(/tables tasks, ledger;/),
    });
    await expect(store.commit(moved(task, INTENT))).rejects.toMatchObject(NOT_NOW);
    await client.query(`grant insert on ledger to ${role}`);
    await client.query(`grant update on tasks to ${role}`);
    await expect(store.check()).resolves.toBeUndefined();
  });

  it('is not ready from the first write without space until there is space again, although small rows still fit', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const task = await accepted(store);
    const client = await connect(url);
    // Like a full disk: new space is refused.
    await client.query(`create function full_disk() returns trigger language plpgsql as
      $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$`);
    await client.query(
      'create trigger full_disk before update on tasks for each row execute function full_disk()',
    );
    await client.query(`create function no_new_file() returns event_trigger language plpgsql as
      $$ begin raise exception 'could not extend file' using errcode = '53100'; end $$`);
    await client.query(
      'create event trigger no_new_file on ddl_command_start execute function no_new_file()',
    );
    await expect(store.check()).resolves.toBeUndefined();
    await expect(store.commit(moved(task, INTENT))).rejects.toMatchObject(NOT_NOW);
    await expect(store.check()).rejects.toMatchObject({
      ...NOT_NOW,
      message: expect.stringContaining('no space left'),
    });
    await client.query('drop event trigger no_new_file');
    await client.query('drop trigger full_disk on tasks');
    await expect(store.check()).resolves.toBeUndefined();
    expect(await store.commit(moved(task, INTENT))).toBe(true);
    // There is space, so it is not searched for any more: a check creates no table.
    await client.query(
      'create event trigger no_new_file on ddl_command_start execute function no_new_file()',
    );
    await expect(store.check()).resolves.toBeUndefined();
  });

  it('that was dropped counts as unavailable, not as a bug', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const task = await accepted(store);
    const admin = await connect(inject('postgres'));
    await admin.query(`drop database ${new URL(url).pathname.slice(1)} with (force)`);
    await expect(store.task(task.id)).rejects.toMatchObject(NOT_NOW);
    await expect(store.commit(moved(aTask(), INTENT))).rejects.toMatchObject(NOT_NOW);
  });

  it('stores an upstream id that is larger than a page of an index', async () => {
    const store = await openStore(await freshDatabase());
    const sent = moved(await accepted(store), INTENT);
    await store.commit(sent);
    const upstreamId = Array.from({ length: 10_000 }, (_, at) =>
      String.fromCharCode(0x4e00 + ((at * 7919) % 20_000)),
    ).join('');
    const confirmed = moved(sent.task, { type: 'submit_confirmed', upstreamId, working: false });
    await store.commit(confirmed);
    expect(await store.task(sent.task.id)).toMatchObject({ attempt: { upstreamId } });
  });
});
