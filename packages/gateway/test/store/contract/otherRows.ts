import { describe, expect, it } from 'vitest';
import type { FileQuery, MediaRow, Store } from '../../../src/store/store.ts';
import { type Move, move } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import { aKey, aMediaRow, anAcceptance, aTask, START_OF_TIME } from '../../support/builders.ts';

const AUDIT = { at: START_OF_TIME, actor: 'cli', action: 'key.create', subject: 'key' };

/** Rows besides the tasks: media, keys, secrets. */
export function describeOtherRows(name: string, open: () => Promise<Store>): void {
  describe(`${name}: media rows`, () => {
    it('are read as they were written, and can be written again', async () => {
      const store = await open();
      const row = aMediaRow({ state: 'pending' });
      await store.putMedia([row]);
      expect(await store.media(row.id)).toStrictEqual(row);
      const present = {
        ...row,
        state: 'present',
        storageKey: `video/${row.id}_1.mp4`,
        contentType: 'video/webm',
        bytes: 1,
        sha256: 'x',
        taskId: 't',
        expiresAt: 5,
      } as const;
      await store.putMedia([present]);
      expect(await store.media(row.id)).toStrictEqual(present);
      expect(await store.mediaOf('t')).toStrictEqual([present]);
      expect(await store.media('another')).toBeUndefined();
    });

    it('never become pending again: a driver that lost the task may still begin late', async () => {
      const store = await open();
      const present = aMediaRow({ bytes: 1, sha256: 'x', expiresAt: 5 });
      await store.putMedia([present]);
      await store.putMedia([aMediaRow({ id: present.id, state: 'pending', createdAt: 1 })]);
      expect(await store.media(present.id)).toStrictEqual(present);
      await store.putMedia([{ ...present, expiresAt: 1 }]);
      expect(await store.media(present.id)).toStrictEqual({ ...present, expiresAt: 1 });
    });

    it('are marked as damaged only if they still name the damaged bytes and are still kept', async () => {
      const store = await open();
      const row = aMediaRow({ expiresAt: 100 });
      const pending = aMediaRow({ state: 'pending' });
      await store.putMedia([row, pending]);
      expect(await store.markDamaged(row.id, 'video/another.mp4', 50)).toBe(false);
      expect(await store.markDamaged(row.id, row.storageKey, 100)).toBe(false);
      expect(await store.markDamaged(pending.id, pending.storageKey, 50)).toBe(false);
      expect(await store.media(row.id)).toStrictEqual(row);
      expect(await store.markDamaged(row.id, row.storageKey, 50)).toBe(true);
      expect(await store.markDamaged(row.id, row.storageKey, 50)).toBe(false);
      await store.putMedia([{ ...row, state: 'pending' }]);
      expect(await store.media(row.id)).toStrictEqual({ ...row, state: 'damaged' });
      await store.putMedia([row]);
      expect(await store.media(row.id)).toStrictEqual(row);
    });

    it('are due for repair if they are damaged, or posters that were left pending', async () => {
      const store = await open();
      const damaged = aMediaRow({ expiresAt: 100 });
      const poster = aMediaRow({ kind: 'poster', state: 'pending', createdAt: 50 });
      const fresh = aMediaRow({ kind: 'poster', state: 'pending', createdAt: 51 });
      const others = [
        aMediaRow(),
        aMediaRow({ kind: 'poster' }),
        aMediaRow({ state: 'pending', createdAt: 50 }),
      ];
      await store.putMedia([damaged, poster, fresh, ...others]);
      await store.markDamaged(damaged.id, damaged.storageKey, 50);
      const wanted = [{ ...damaged, state: 'damaged' }, poster].sort((a, b) => (a.id < b.id ? -1 : 1));
      expect(await store.mediaToRepair(50, '', 10)).toStrictEqual(wanted);
      expect(await store.mediaToRepair(50, '', 1)).toStrictEqual(wanted.slice(0, 1));
      expect(await store.mediaToRepair(50, wanted[0]?.id ?? '', 10)).toStrictEqual(wanted.slice(1));
    });

    it('are verified in turn, the ones with the oldest check first', async () => {
      const store = await open();
      const [old, young] = [aMediaRow({ createdAt: 10 }), aMediaRow({ createdAt: 20 })];
      await store.putMedia([young, old, aMediaRow({ createdAt: 1, state: 'pending' })]);
      expect(await store.mediaToCheck(9)).toBeUndefined();
      expect(await store.mediaToCheck(30)).toStrictEqual(old);
      await store.markChecked(old.id, 25);
      expect(await store.mediaToCheck(30)).toStrictEqual(young);
      await store.markChecked(young.id, 26);
      expect(await store.mediaToCheck(24)).toBeUndefined();
      expect(await store.mediaToCheck(30)).toStrictEqual(old);
      await store.putMedia([old]);
      expect(await store.mediaToCheck(24)).toBeUndefined();
    });

    it('are distinguished from ids without a row', async () => {
      const store = await open();
      const [here, gone] = [aMediaRow({ state: 'pending' }), aMediaRow()];
      await store.putMedia([here, gone]);
      await store.removeMedia([gone.id]);
      const found = new Map([[here.id, here.storageKey]]);
      expect(await store.mediaKeys([gone.id, here.id, 'another', here.id])).toEqual(found);
      expect(await store.mediaKeys([])).toEqual(new Map());
      const many = Array.from({ length: 1000 }, (_, index) => `id-${index}`);
      expect(await store.mediaKeys([...many, here.id])).toEqual(found);
    });

    it('of files are listed by project, either way, until they expire', async () => {
      const store = await open();
      const aFile = (changes: Partial<MediaRow> = {}) =>
        aMediaRow({
          kind: 'file',
          name: 'cat.png',
          purpose: 'vision',
          bytes: 10,
          expiresAt: 100,
          ...changes,
        });
      const [first, second, third] = [aFile(), aFile({ purpose: 'user_data' }), aFile({ expiresAt: 51 })];
      const others = [
        aFile({ state: 'pending', bytes: 5 }),
        aFile({ expiresAt: 50 }),
        aFile({ projectId: 'another' }),
        aMediaRow({ kind: 'input' }),
      ];
      await store.putMedia([...others, second, third, first]);
      const list = (query: Partial<FileQuery> = {}) =>
        store.files({ projectId: 'project', limit: 10, now: 50, ...query });
      expect(await list()).toStrictEqual([third, second, first]);
      expect(await list({ oldestFirst: true })).toStrictEqual([first, second, third]);
      expect(await list({ limit: 1, after: third.id })).toStrictEqual([second]);
      expect(await list({ limit: 1, after: first.id, oldestFirst: true })).toStrictEqual([second]);
      expect(await list({ purpose: 'user_data' })).toStrictEqual([second]);
      expect(await list({ now: 51 })).toStrictEqual([second, first]);
      await store.markDamaged(second.id, second.storageKey, 50);
      expect(await list({ after: third.id, limit: 1 })).toStrictEqual([{ ...second, state: 'damaged' }]);
      expect([await store.bytesOfFiles('project'), await store.bytesOfFiles('none')]).toEqual([45, 0]);
    });

    it('that are files of one project and written at once have no more bytes than the project may keep', async () => {
      const store = await open();
      const aFile = (changes: Partial<MediaRow> = {}) =>
        aMediaRow({ kind: 'file', projectId: 'project', state: 'pending', bytes: 16, ...changes });
      const [elsewhere, empty] = [aFile({ projectId: 'another' }), aFile({ bytes: 0 })];
      await store.putMedia([elsewhere, empty]);
      const files = Array.from({ length: 8 }, () => aFile());
      const written = await Promise.all(files.map((file) => store.putFile(file, 30)));
      expect(written.filter(Boolean)).toHaveLength(1);
      const kept = files.find((_, at) => written[at]) ?? empty;
      expect([...(await store.mediaKeys(files.map(({ id }) => id))).keys()]).toEqual([kept.id]);

      // What a file had before does not count, and exactly the most is not too much.
      expect(await store.putFile({ ...kept, bytes: 31 }, 30)).toBe(false);
      expect(await store.media(kept.id)).toStrictEqual(kept);
      expect(await store.putFile({ ...kept, bytes: 30 }, 30)).toBe(true);
      expect(await store.putFile({ ...empty, bytes: 1 }, 30)).toBe(false);
      expect(await store.putFile({ ...elsewhere, state: 'present' }, 30)).toBe(true);
      expect(await store.bytesOfFiles('project')).toBe(30);
    });

    it('may be removed after their retention, or if they were left pending for long', async () => {
      const store = await open();
      const expired = aMediaRow({ expiresAt: 100 });
      const kept = aMediaRow({ expiresAt: 101 });
      const forever = aMediaRow();
      const abandoned = aMediaRow({ state: 'pending', createdAt: 50 });
      const fresh = aMediaRow({ state: 'pending', createdAt: 51 });
      await store.putMedia([expired, kept, forever, abandoned, fresh]);
      const due = await store.sweepable(100, 50, 10);
      expect(due.map(({ id }) => id).sort()).toEqual([expired.id, abandoned.id].sort());
      expect(await store.sweepable(100, 50, 1)).toHaveLength(1);
      expect(await store.sweepable(100, 50, 10, [expired.id])).toStrictEqual([abandoned]);
      expect(await store.sweepable(100, 50, 10, [expired.id, abandoned.id])).toEqual([]);
      await store.removeMedia(due.map(({ id }) => id));
      expect(await store.sweepable(100, 50, 10)).toEqual([]);
      expect(await store.media(kept.id)).toBeDefined();
    });

    it('of a video in progress stay, however long it takes', async () => {
      const store = await open();
      const task = aTask();
      await store.accept(anAcceptance(task));
      const row = aMediaRow({ state: 'pending', createdAt: 50, taskId: task.id });
      await store.putMedia([row]);
      expect(await store.sweepable(100, 50, 10)).toEqual([]);
      const failed = move(
        task,
        { type: 'failed', error: taskError('internal_error', 'no'), outcome: 'failed' },
        60,
      );
      await store.commit(failed as Move);
      expect((await store.sweepable(100, 50, 10)).map(({ id }) => id)).toEqual([row.id]);
    });
  });

  describe(`${name}: keys`, () => {
    it('are found by their hash', async () => {
      const store = await open();
      const key = aKey({ scopes: ['generate', 'admin'], expiresAt: START_OF_TIME + 5 });
      await store.putKey(key, AUDIT);
      const project = { id: key.projectId, name: key.projectId, createdAt: key.createdAt };
      expect(await store.keyByHash(key.hash)).toStrictEqual({ ...key, project });
      expect(await store.keyByHash('another')).toBeUndefined();
      expect(await store.listKeys()).toStrictEqual([key]);
    });

    it('cannot all be revoked: the last working admin key stays, unless it is forced', async () => {
      const store = await open();
      const admin = { scopes: ['generate', 'admin'] as const };
      const [one, other] = [aKey(admin), aKey(admin)];
      const expired = aKey({ ...admin, expiresAt: 9 });
      const revoked = aKey({ ...admin, revokedAt: 3 });
      for (const key of [one, other, expired, revoked, aKey()]) await store.putKey(key, AUDIT);
      // At once: the second must not count on the first.
      const both = await Promise.all([
        store.revokeKey(one.id, 10, AUDIT),
        store.revokeKey(other.id, 10, AUDIT),
      ]);
      expect(both.map((key) => key?.revokedAt).sort()).toEqual([10, undefined]);
      const last = both.find((key) => key?.revokedAt === undefined)?.id ?? '';
      // An expired key opens no door and may be revoked.
      expect(await store.revokeKey(expired.id, 10, AUDIT)).toMatchObject({ revokedAt: 10 });
      expect(await store.revokeKey(last, 10, AUDIT)).not.toHaveProperty('revokedAt');
      expect(await store.revokeKey(last, 11, AUDIT, { force: true })).toMatchObject({ revokedAt: 11 });
    });

    it('work again after they are restored', async () => {
      const store = await open();
      const key = aKey({ revokedAt: 3 });
      await store.putKey(key, AUDIT);
      await store.restoreKey(key.id, AUDIT);
      expect(await store.keyByHash(key.hash)).not.toHaveProperty('revokedAt');
      await store.restoreKey('another', AUDIT);
    });

    it('stay revoked, with the time of the first revocation', async () => {
      const store = await open();
      const key = aKey();
      await store.putKey(key, AUDIT);
      const audit = { ...AUDIT, action: 'key.revoke', subject: key.id };
      expect(await store.revokeKey(key.id, 7, audit)).toStrictEqual({ ...key, revokedAt: 7 });
      expect(await store.revokeKey(key.id, 9, audit)).toStrictEqual({ ...key, revokedAt: 7 });
      expect((await store.keyByHash(key.hash))?.revokedAt).toBe(7);
      expect(await store.revokeKey('another', 9, audit)).toBeUndefined();
    });

    it('cannot share a hash', async () => {
      const store = await open();
      const key = aKey();
      await store.putKey(key, AUDIT);
      await expect(store.putKey(aKey({ hash: key.hash }), AUDIT)).rejects.toThrow();
      expect(await store.listKeys()).toHaveLength(1);
    });
  });

  describe(`${name}: a secret`, () => {
    it('is created once', async () => {
      const store = await open();
      expect(await store.secret('links', () => 'first')).toBe('first');
      expect(await store.secret('links', () => 'second')).toBe('first');
      expect(await store.secret('other', () => 'third')).toBe('third');
    });
  });
}
