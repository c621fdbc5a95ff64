import { describe, expect, it } from 'vitest';
import type { AuditRow, ProjectRow } from '../../../src/store/projects.ts';
import type { Store } from '../../../src/store/store.ts';
import { aKey, START_OF_TIME } from '../../support/builders.ts';

const anAudit = (action: string, subject: string, changes: Partial<AuditRow> = {}): AuditRow => ({
  at: START_OF_TIME,
  actor: 'key_admin',
  action,
  subject,
  ...changes,
});

const aProject = (changes: Partial<ProjectRow> = {}): ProjectRow => ({
  id: 'studio',
  name: 'The studio',
  createdAt: START_OF_TIME,
  ...changes,
});

const ADMIN = { scopes: ['admin'] } as const;

/** Projects, changes of keys, and the audit log that says who did what. */
export function describeProjects(name: string, open: () => Promise<Store>): void {
  const logOf = async (store: Store) =>
    (await store.audit({ limit: 100 })).toReversed().map(({ id: _, ...row }) => row);

  describe(`${name}: projects`, () => {
    it('are read as they were written, and are created once', async () => {
      const store = await open();
      const project = aProject({
        limits: { requestsPerMinute: 60, tasksInFlight: 3, dailyBudgetMicros: 2 ** 40 },
        defaultMetadata: { team: 'Zoë' },
        archivedAt: START_OF_TIME + 1,
      });
      const made = anAudit('project.created', 'studio', { detail: { name: 'The studio' } });
      expect(await store.putProject(project, made)).toBe(true);
      expect(await store.putProject(aProject({ name: 'twin' }), anAudit('project.created', 'twin'))).toBe(
        false,
      );
      await store.putProject(aProject({ id: 'another' }), anAudit('project.created', 'another'));
      expect(await store.project('studio')).toStrictEqual(project);
      expect(await store.project('none')).toBeUndefined();
      expect(await store.listProjects()).toStrictEqual([aProject({ id: 'another' }), project]);
      expect(await logOf(store)).toStrictEqual([made, anAudit('project.created', 'another')]);
    });

    it('come with their keys, as they are after a change', async () => {
      const store = await open();
      const key = aKey({ projectId: 'studio' });
      await store.putProject(aProject(), anAudit('project.created', 'studio'));
      await store.putKey(key, anAudit('key.created', key.id));
      expect((await store.keyByHash(key.hash))?.project).toStrictEqual(aProject());
      const limits = { requestsPerMinute: 1 };
      await store.changeProject('studio', { limits, name: 'B' }, anAudit('project.changed', 'studio'));
      expect(await store.keyByHash(key.hash)).toStrictEqual({
        ...key,
        project: aProject({ limits, name: 'B' }),
      });
    });

    it('are changed as far as the change says, and the audit log has what they were', async () => {
      const store = await open();
      await store.putProject(
        aProject({ defaultMetadata: { team: 'a' } }),
        anAudit('project.created', 'studio'),
      );
      const change = anAudit('project.changed', 'studio', { at: START_OF_TIME + 1 });
      const changes = { archivedAt: 5, defaultMetadata: undefined, name: 'The studio' };
      expect(await store.changeProject('studio', changes, change)).toStrictEqual(aProject({ archivedAt: 5 }));
      expect(await store.changeProject('studio', changes, change)).toStrictEqual(aProject({ archivedAt: 5 }));
      expect(await store.changeProject('none', changes, change)).toBeUndefined();
      expect((await logOf(store)).slice(1)).toStrictEqual([
        { ...change, detail: { archivedAt: [null, 5], defaultMetadata: [{ team: 'a' }, null] } },
      ]);
    });

    it('are created with the first key that names them, which is a row of the audit log of its own', async () => {
      const store = await open();
      const keys = [aKey({ projectId: 'new' }), aKey({ projectId: 'new' })];
      for (const key of keys) await store.putKey(key, anAudit('key.created', key.id));
      expect(await store.project('new')).toStrictEqual({ id: 'new', name: 'new', createdAt: START_OF_TIME });
      const log = await logOf(store);
      expect(log).toHaveLength(3);
      expect(log).toEqual(
        expect.arrayContaining([
          anAudit('project.created', 'new'),
          ...keys.map(({ id }) => anAudit('key.created', id)),
        ]),
      );
    });
  });

  describe(`${name}: changes of keys`, () => {
    it('write what they have, and what is undefined is removed', async () => {
      const store = await open();
      const key = aKey({ expiresAt: START_OF_TIME + 9, models: ['veo-*'] });
      await store.putKey(key, anAudit('key.created', key.id));
      const limits = { requestsPerMinute: 3, monthlyBudgetMicros: 7 };
      const changes = {
        name: 'b',
        expiresAt: undefined,
        models: undefined,
        limits,
        scopes: ['read'] as const,
        defaultMetadata: { team: 'b' },
      };
      const audit = anAudit('key.changed', key.id);
      const { expiresAt: _, models: __, ...kept } = key;
      const changed = {
        outcome: 'changed',
        key: { ...kept, name: 'b', limits, scopes: ['read'], defaultMetadata: { team: 'b' } },
      };
      expect(await store.changeKey(key.id, changes, audit, { at: 1 })).toStrictEqual(changed);
      expect(await store.changeKey(key.id, changes, audit, { at: 1 })).toStrictEqual(changed);
      expect(await store.keyByHash(key.hash)).toMatchObject(changed.key);
      expect(await store.changeKey('none', changes, audit, { at: 1 })).toEqual({ outcome: 'not_found' });
      const details = (await logOf(store)).filter(({ action }) => action === 'key.changed');
      expect(details).toStrictEqual([
        {
          ...audit,
          detail: {
            name: ['a key', 'b'],
            expiresAt: [START_OF_TIME + 9, null],
            models: [['veo-*'], null],
            limits: [null, limits],
            scopes: [['generate'], ['read']],
            defaultMetadata: [null, { team: 'b' }],
          },
        },
      ]);
    });

    it('never take the last working admin, unless they are forced', async () => {
      const store = await open();
      const keys = [aKey(ADMIN), aKey(ADMIN), aKey({ ...ADMIN, expiresAt: 5 })];
      for (const key of keys) await store.putKey(key, anAudit('key.created', key.id));
      // At once, each in another way: no other must count on one that goes.
      const [one, other, expired] = keys.map(({ id }) => id) as [string, string, string];
      const at = { at: 10 };
      const outcomes = await Promise.all([
        store.changeKey(one, { scopes: ['read'] }, anAudit('key.changed', one), at),
        store.changeKey(other, { expiresAt: 10 }, anAudit('key.changed', other), at),
      ]);
      expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual(['changed', 'last_admin']);
      const last = outcomes[0]?.outcome === 'last_admin' ? one : other;
      const revoked = await store.revokeKey(last, 10, anAudit('key.revoked', last));
      expect(revoked).not.toHaveProperty('revokedAt');
      const drop = { scopes: ['read'] } as const;
      expect(await store.changeKey(expired, drop, anAudit('key.changed', expired), at)).toMatchObject({
        outcome: 'changed',
      });
      const still = await store.changeKey(last, { name: 'x' }, anAudit('key.changed', last), at);
      expect(still).toMatchObject({ outcome: 'changed', key: { name: 'x', scopes: ['admin'] } });
      const forced = await store.changeKey(last, drop, anAudit('key.changed', last), {
        ...at,
        force: true,
      });
      expect(forced).toMatchObject({ outcome: 'changed', key: { scopes: ['read'] } });
    });

    it('never let the last admin end sooner, nor count on one that was rotated', async () => {
      const store = await open();
      const key = aKey(ADMIN);
      await store.putKey(key, anAudit('key.created', key.id));
      const change = (id: string, expiresAt?: number) =>
        store.changeKey(id, { expiresAt }, anAudit('key.changed', id), { at: 10 });
      expect(await change(key.id, 12)).toMatchObject({ outcome: 'last_admin' });
      const made = await store.rotateKey(key.id, aKey(), anAudit('key.rotated', key.id), {
        at: 10,
        until: 50,
      });
      if (made.outcome !== 'rotated') throw new Error(made.outcome);
      const { next } = made;
      expect(await store.revokeKey(next.id, 10, anAudit('key.revoked', next.id))).not.toHaveProperty(
        'revokedAt',
      );
      expect(await change(next.id, 12)).toMatchObject({ outcome: 'last_admin' });
      // The former key may go, and may not stay.
      expect(await change(key.id, 60)).toMatchObject({ outcome: 'replaced', key: { expiresAt: 50 } });
      expect(await change(key.id)).toMatchObject({ outcome: 'replaced', key: { expiresAt: 50 } });
      expect(await store.revokeKey(key.id, 11, anAudit('key.revoked', key.id))).toHaveProperty(
        'revokedAt',
        11,
      );

      const other = aKey({ ...ADMIN, expiresAt: 30 });
      await store.putKey(other, anAudit('key.created', other.id));
      expect(await change(next.id, 20)).toMatchObject({ outcome: 'last_admin' });
      expect(await store.revokeKey(next.id, 10, anAudit('key.revoked', next.id))).not.toHaveProperty(
        'revokedAt',
      );
      const drop = { scopes: ['read'] } as const;
      expect(await store.changeKey(next.id, drop, anAudit('key.changed', next.id), { at: 10 })).toMatchObject(
        {
          outcome: 'last_admin',
        },
      );
      expect(await store.revokeKey(other.id, 10, anAudit('key.revoked', other.id))).toHaveProperty(
        'revokedAt',
        10,
      );
      const lasting = aKey(ADMIN);
      await store.putKey(lasting, anAudit('key.created', lasting.id));
      expect(await change(next.id, 20)).toMatchObject({ outcome: 'changed', key: { expiresAt: 20 } });
    });
  });

  describe(`${name}: the rotation of a key`, () => {
    const rotate = (store: Store, id: string, next = aKey({ family: id }), until = 50, at = 10) =>
      store.rotateKey(id, next, anAudit('key.rotated', id), { at, until });

    it('makes the next one, and lets the one before expire after the overlap', async () => {
      const store = await open();
      const key = aKey(ADMIN);
      await store.putKey(key, anAudit('key.created', key.id));
      const { id, prefix, hash, createdAt } = aKey();
      const next = { ...key, id, prefix, hash, createdAt, family: key.id };
      const rotated = await rotate(store, key.id, next);
      expect(rotated).toStrictEqual({
        outcome: 'rotated',
        key: { ...key, expiresAt: 50, replacedBy: next.id },
        next,
      });
      expect(await store.keyByHash(next.hash)).toMatchObject(next);
      expect((await store.listKeys()).map(({ id }) => id).sort()).toEqual([key.id, next.id].sort());
      expect((await logOf(store)).at(-1)).toStrictEqual(anAudit('key.rotated', key.id));
    });

    it('undoes no change that is made at the same time', async () => {
      const store = await open();
      for (let round = 0; round < 5; round++) {
        const key = aKey({ limits: { requestsPerMinute: 100 } });
        await store.putKey(key, anAudit('key.created', key.id));
        const limits = { requestsPerMinute: 1 };
        const [changed, rotated] = await Promise.all([
          store.changeKey(key.id, { limits }, anAudit('key.changed', key.id), { at: 10 }),
          rotate(store, key.id),
        ]);
        expect(changed).toMatchObject({ outcome: 'changed', key: { limits } });
        if (rotated.outcome !== 'rotated') throw new Error(rotated.outcome);
        // Whichever was first: the new key has what its former one had at that moment.
        const wasChanged = rotated.key.limits?.requestsPerMinute === 1;
        expect(rotated.next.limits).toEqual(wasChanged ? limits : key.limits);
      }
    });

    it('does not lengthen the life of a key', async () => {
      const store = await open();
      const key = aKey({ expiresAt: 20 });
      await store.putKey(key, anAudit('key.created', key.id));
      expect(await rotate(store, key.id)).toMatchObject({ outcome: 'rotated', key: { expiresAt: 20 } });
    });

    it('is made once, and only of a key that works', async () => {
      const store = await open();
      const keys = [aKey(), aKey({ revokedAt: 3 }), aKey({ expiresAt: 10 })];
      for (const key of keys) await store.putKey(key, anAudit('key.created', key.id));
      const [twice, revoked, expired] = keys.map(({ id }) => id) as [string, string, string];
      const both = await Promise.all([rotate(store, twice), rotate(store, twice)]);
      expect(both.map(({ outcome }) => outcome).sort()).toEqual(['invalid', 'rotated']);
      for (const id of [revoked, expired])
        expect(await rotate(store, id)).toMatchObject({ outcome: 'invalid', key: { id } });
      expect(await rotate(store, 'none')).toEqual({ outcome: 'not_found' });
      expect(await store.listKeys()).toHaveLength(4);
      expect((await logOf(store)).filter(({ action }) => action === 'key.rotated')).toHaveLength(1);
    });
  });

  describe(`${name}: the audit log`, () => {
    it('is read page by page, the newest first, by whom, what, of which and when', async () => {
      const store = await open();
      for (let n = 0; n < 6; n++)
        await store.putProject(
          aProject({ id: `p${n}` }),
          anAudit(n % 2 ? 'odd' : 'even', `p${n}`, { at: START_OF_TIME + n, actor: n < 3 ? 'cli' : 'key_a' }),
        );
      const subjects = async (query: Partial<Parameters<Store['audit']>[0]> = {}) =>
        (await store.audit({ limit: 100, ...query })).map(({ subject }) => subject);
      expect(await subjects()).toEqual(['p5', 'p4', 'p3', 'p2', 'p1', 'p0']);
      const [first, second] = await store.audit({ limit: 2 });
      expect([first?.subject, second?.subject]).toEqual(['p5', 'p4']);
      expect(await subjects({ after: second?.id ?? '', limit: 2 })).toEqual(['p3', 'p2']);
      expect(await subjects({ actor: 'cli' })).toEqual(['p2', 'p1', 'p0']);
      expect(await subjects({ action: 'odd' })).toEqual(['p5', 'p3', 'p1']);
      expect(await subjects({ subject: 'p4' })).toEqual(['p4']);
      expect(await subjects({ from: START_OF_TIME + 1, to: START_OF_TIME + 3 })).toEqual(['p2', 'p1']);
      expect(await subjects({ actor: 'cli', action: 'odd', after: second?.id ?? '' })).toEqual(['p1']);
    });
  });
}
