import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKeyring, hasScope } from '../../src/auth/keyring.ts';
import { createKeys } from '../../src/auth/keys.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { START_OF_TIME } from '../support/builders.ts';
import { tempFolder } from '../support/tempFolder.ts';

const CHOSEN = 'sk-chosen-0123456789abcdef';

async function world(wrap: (store: Store) => Store = (store) => store, held?: () => boolean) {
  const dir = await tempFolder();
  const store = wrap(await openSqliteStore({ dir, exclusive: true }));
  onTestFinished(() => store.close());
  let now = START_OF_TIME;
  const clock = { now: () => now };
  const keyring = createKeyring(store, clock, held);
  return {
    dir,
    keys: createKeys(store, clock),
    keyring,
    pass: (ms: number) => {
      now += ms;
    },
    /** Whether a key is accepted, or the error for its caller. */
    async knock(key: string): Promise<string> {
      try {
        return (await keyring.authenticate(`Bearer ${key}`)).id;
      } catch (error) {
        expect(error).toMatchObject({ code: 'unauthorized', status: 401 });
        return error instanceof Error ? error.message : '';
      }
    },
  };
}

/** Everything on the disk, including the write-ahead log. */
async function onDisk(dir: string): Promise<Buffer> {
  const files = (await readdir(dir)).filter((name) => name.startsWith('onetake.db'));
  return Buffer.concat(await Promise.all(files.map((name) => readFile(join(dir, name)))));
}

describe('a key', () => {
  it('is long, random, and accepted', async () => {
    const { keys, knock } = await world();
    const one = await keys.create({ name: 'one' }, 'test');
    const other = await keys.create({ name: 'one' }, 'test');
    expect(one.key).toMatch(/^sk-[\w-]{43}$/);
    expect(other.key).not.toBe(one.key);
    expect(await knock(one.key)).toBe(one.row.id);
    expect(await knock(other.key)).toBe(other.row.id);
  });

  it('is stored as its SHA-256 and its first characters, and its text is nowhere on the disk', async () => {
    const { keys, dir, knock } = await world();
    const { key, row } = await keys.create({ name: 'app' }, 'test');
    await keys.ensure(CHOSEN);
    await knock(key);
    const hash = createHash('sha256').update(key).digest('hex');
    expect(row).toMatchObject({ hash, prefix: key.slice(0, 10) });
    const bytes = await onDisk(dir);
    expect(bytes.includes(hash)).toBe(true);
    for (const secret of [key, CHOSEN]) {
      expect(bytes.includes(secret)).toBe(false);
      expect(bytes.includes(secret.slice(3))).toBe(false);
    }
  });

  it('belongs to the given project, by default to the default one, and may by default only generate', async () => {
    const { keys } = await world();
    expect((await keys.create({ name: 'a' }, 'test')).row).toMatchObject({
      projectId: 'default',
      scopes: ['generate'],
      createdAt: START_OF_TIME,
    });
    const { row } = await keys.create({ name: 'b', project: 'studio 2', scopes: ['admin'] }, 'test');
    expect(row).toMatchObject({ projectId: 'studio 2', scopes: ['admin'] });
    expect((['admin', 'generate', 'read'] as const).filter((scope) => hasScope(row, scope))).toEqual([
      'admin',
    ]);
    expect((await keys.list()).map(({ name }) => name).sort()).toEqual(['a', 'b']);
  });

  it.each(['', ' x', '-x', 'a\nb', 'a\n', 'x'.repeat(65), 'a/b', '<b>', '\u202eabc'])(
    'cannot be named %j',
    async (name) => {
      const { keys } = await world();
      for (const request of [{ name }, { name: 'ok', project: name }]) {
        await expect(keys.create(request, 'test')).rejects.toMatchObject({
          status: 400,
          details: { param: 'project' in request ? 'project' : 'name' },
        });
      }
      expect(await keys.list()).toEqual([]);
    },
  );

  it.each(['my app', '视频', 'Zoë-2.0_test', 'x'.repeat(64)])('may be named %j', async (name) => {
    const { keys } = await world();
    expect((await keys.create({ name }, 'test')).row.name).toBe(name);
  });
});

describe('a key stops working', () => {
  it('after its revocation, once its cached state is dropped', async () => {
    const { keys, keyring, knock } = await world();
    const { key, row } = await keys.create({ name: 'app' }, 'test');
    expect(await knock(key)).toBe(row.id);
    expect(await keys.revoke(row.id, 'test')).toMatchObject({ id: row.id, revokedAt: START_OF_TIME });
    keyring.forget();
    expect(await knock(key)).toMatch(/was revoked; use another one/);
  });

  it('after its expiry, however long it was cached', async () => {
    const { keys, knock, pass } = await world();
    const { key, row } = await keys.create({ name: 'guest', expiresAt: START_OF_TIME + 1000 }, 'test');
    expect(await knock(key)).toBe(row.id);
    pass(999);
    expect(await knock(key)).toBe(row.id);
    pass(1);
    expect(await knock(key)).toMatch(/has expired; use another one/);
  });

  it('also if it was being looked up while it was revoked', async () => {
    const answers: (() => void)[] = [];
    let slow = false;
    const { keys, keyring, knock } = await world((store) => ({
      ...store,
      async keyByHash(hash) {
        const row = await store.keyByHash(hash);
        if (slow) await new Promise<void>((resolve) => answers.push(resolve));
        return row;
      },
    }));
    const { key, row } = await keys.create({ name: 'app' }, 'test');
    slow = true;
    const early = knock(key);
    await expect.poll(() => answers.length).toBe(1);
    slow = false;
    await keys.revoke(row.id, 'test');
    keyring.forget();
    answers[0]?.();
    // The request before the revocation is served; none after it.
    expect(await early).toBe(row.id);
    expect(await knock(key)).toMatch(/was revoked/);
  });

  it('at once while changes of keys cannot be reported: each request then reads the store', async () => {
    let held = true;
    const { keys, keyring, knock } = await world(undefined, () => held);
    const { key, row } = await keys.create({ name: 'app' }, 'test');
    const header = `Bearer ${key}`;
    await knock(key);
    expect(keyring.known(header, {})?.id).toBe(row.id);
    held = false;
    expect(keyring.known(header, {})).toBeUndefined();
    await keys.revoke(row.id, 'another node');
    expect(await knock(key)).toMatch(/revoked/);
    // What is read in the meantime serves one request; it may be outdated when changes are reported again.
    const other = (await keys.create({ name: 'other' }, 'test')).key;
    await knock(other);
    held = true;
    expect(keyring.known(`Bearer ${other}`, {})).toBeUndefined();
  });

  it('also for a connection whose key was known before, which is not hashed again', async () => {
    let held = true;
    const { keys, keyring, knock, pass } = await world(undefined, () => held);
    const connection = {};
    const { key, row } = await keys.create({ name: 'app' }, 'test');
    const guest = await keys.create({ name: 'guest', expiresAt: START_OF_TIME + 1000 }, 'test');
    const ask = (one: string) => keyring.known(`Bearer ${one}`, connection)?.id;
    expect(ask(key)).toBeUndefined();
    await knock(key);
    await knock(guest.key);
    expect([ask(key), ask(key), ask(guest.key), ask(guest.key), ask(key)]).toEqual(
      [row, row, guest.row, guest.row, row].map(({ id }) => id),
    );
    expect([ask(`${key}x`), keyring.known(undefined, connection), ask(key)]).toEqual([
      undefined,
      undefined,
      row.id,
    ]);
    held = false;
    expect(ask(key)).toBeUndefined();
    held = true;
    expect(ask(guest.key)).toBe(guest.row.id);
    pass(1000);
    expect([ask(guest.key), ask(guest.key)]).toEqual([undefined, undefined]);
    expect(ask(key)).toBe(row.id);
    await keys.revoke(row.id, 'test', { force: true });
    keyring.forget();
    expect(ask(key)).toBeUndefined();
  });

  it('but never the last one with admin scope, unless it is forced', async () => {
    const { keys, knock, pass } = await world();
    const admin = { name: 'admin', scopes: ['admin'] as const };
    const { row } = await keys.create(admin, 'test');
    const guest = await keys.create({ ...admin, expiresAt: START_OF_TIME + 1000 }, 'test');
    pass(1000);
    expect(await knock(guest.key)).toMatch(/expired/);
    await expect(keys.revoke(row.id, 'test')).rejects.toMatchObject({ status: 409, code: 'last_admin_key' });
    expect(await keys.revoke(row.id, 'test', { force: true })).toHaveProperty('revokedAt');
  });

  it('by its own id only: another id is answered with 404', async () => {
    const { keys } = await world();
    await expect(keys.revoke('key_none', 'test')).rejects.toMatchObject({
      status: 404,
      message: expect.stringContaining('key_none'),
    });
  });
});

describe('the Authorization header', () => {
  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', 'sk-abc', 'Bearer sk-a sk-b'])(
    'is answered with what to send if it is %j',
    async (header) => {
      const { keyring } = await world();
      await expect(keyring.authenticate(header)).rejects.toMatchObject({
        status: 401,
        message: expect.stringContaining('Bearer sk-…'),
      });
    },
  );

  it('may have the scheme in any case', async () => {
    const { keys, keyring } = await world();
    const { key, row } = await keys.create({ name: 'app' }, 'test');
    for (const header of [`bearer ${key}`, `BEARER   ${key}`]) {
      expect((await keyring.authenticate(header)).id).toBe(row.id);
    }
  });

  it('with an unknown key is answered with that, and the key is never repeated', async () => {
    const { knock } = await world();
    const told = await knock('sk-unknown-0123456789');
    expect(told).toMatch(/does not exist; .*ask the operator of this gateway.*`onetake keys create`/);
    expect(told).not.toContain('sk-unknown');
  });
});

describe('the bootstrap key', () => {
  it('exists with admin scope, once, after every start', async () => {
    const { keys, knock } = await world();
    const row = await keys.ensure(CHOSEN);
    expect(row).toMatchObject({ name: 'bootstrap', scopes: ['generate', 'admin'] });
    expect(await keys.ensure(CHOSEN)).toEqual(row);
    expect(await keys.list()).toHaveLength(1);
    expect(await knock(CHOSEN)).toBe(row.id);
  });

  it('that was revoked works again after the next start, because it is still configured', async () => {
    const { keys, keyring, knock } = await world();
    const row = await keys.ensure(CHOSEN);
    await keys.revoke(row.id, 'test', { force: true });
    expect(await knock(CHOSEN)).toMatch(/revoked/);
    expect(await keys.ensure(CHOSEN)).toEqual(row);
    keyring.forget();
    expect(await knock(CHOSEN)).toBe(row.id);
  });

  it('that lost its scope or was given an end is as before after the next start, as is one that was rotated', async () => {
    const { keys, keyring, knock } = await world();
    const row = await keys.ensure(CHOSEN);
    await keys.change(row.id, { scopes: ['read'], expiresAt: 1 }, 'test', { force: true });
    keyring.forget();
    expect(await knock(CHOSEN)).toMatch(/expired/);
    expect((await keys.ensure(CHOSEN)).scopes).toEqual(['read', 'admin']);
    await keys.rotate(row.id, 0, 'test');
    keyring.forget();
    expect(await knock(CHOSEN)).toMatch(/expired/);
    await keys.ensure(CHOSEN);
    keyring.forget();
    expect(await knock(CHOSEN)).toBe(row.id);
  });

  it.each([
    'sk-short',
    'no-prefix-0123456789abcdef',
    'sk-with spaces 0123456789',
    'sk-ümlaut-0123456789abc',
    '',
  ])('%j is refused with the setting and the reason', async (key) => {
    const { keys } = await world();
    const error: unknown = await keys.ensure(key).catch((error: unknown) => error);
    expect(error).toMatchObject({ status: 400, message: expect.stringContaining('ONETAKE_BOOTSTRAP_KEY') });
    if (key !== '') expect(String(error)).not.toContain(key);
  });
});
