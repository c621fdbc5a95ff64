import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Onetake } from '../src/client.ts';
import { PermissionError } from '../src/errors.ts';
import { KEY, startTestGateway, type TestGateway } from './support/gateway.ts';

let t: TestGateway;
let onetake: Onetake;
beforeAll(async () => {
  t = await startTestGateway();
  onetake = new Onetake({ baseUrl: t.proxy.url, apiKey: KEY });
});
afterAll(() => t.end());

describe('an administrator', () => {
  it('creates, reads, changes and archives projects', async () => {
    const { projects } = onetake.admin;
    const limits = { requests_per_minute: 60, monthly_budget: 12.5 };
    const made = await projects.create({ id: 'studio 2', name: 'The studio', limits });
    expect(made).toMatchObject({ id: 'studio 2', name: 'The studio', limits });
    expect(await projects.get('studio 2')).toEqual({
      ...made,
      use: { currency: 'USD', day: 0, month: 0, tasks_in_flight: 0 },
    });
    const changed = await projects.update('studio 2', { limits: null, archived: true });
    expect(changed).toEqual({
      id: made.id,
      name: made.name,
      created_at: made.created_at,
      archived_at: expect.any(Number),
    });
    expect(await projects.list()).toContainEqual(changed);
  });

  it('creates, changes, rotates and revokes keys, which then do what they may', async () => {
    const { keys } = onetake.admin;
    const made = await keys.create({ name: 'app', project: 'mine', scopes: ['read'], models: ['sora-*'] });
    const app = new Onetake({ baseUrl: t.proxy.url, apiKey: made.key });
    expect((await app.models()).every(({ id }) => id.startsWith('sora-'))).toBe(true);
    await expect(app.submit({ model: 'sora-2', prompt: 'x' })).rejects.toThrow(PermissionError);
    await expect(app.admin.keys.list()).rejects.toThrow(PermissionError);

    expect(await keys.update(made.id, { name: 'renamed', models: null })).toMatchObject({ name: 'renamed' });
    expect((await app.models()).length).toBeGreaterThan(20);
    const rotated = await keys.rotate(made.id, { overlap: 60 });
    expect(rotated).toMatchObject({ name: 'renamed', former: { id: made.id, replaced_by: rotated.id } });
    expect((await keys.list({ project: 'mine' })).map(({ id }) => id).sort()).toEqual(
      [made.id, rotated.id].sort(),
    );
    expect(await keys.revoke(rotated.id)).toHaveProperty('revoked_at');
    const [admin] = await keys.list({ project: 'default' });
    await expect(keys.revoke(admin?.id ?? '')).rejects.toMatchObject({
      status: 409,
      reason: 'last_admin_key',
    });
  });

  it('reads the audit log, page by page', async () => {
    const actions: string[] = [];
    for await (const { action } of onetake.admin.audit({ limit: 2 })) actions.push(action);
    expect(actions.slice(0, 4)).toEqual(['key.revoked', 'key.rotated', 'key.changed', 'key.created']);
    const subjects: string[] = [];
    for await (const { subject } of onetake.admin.audit({ action: 'project.archived' }))
      subjects.push(subject);
    expect(subjects).toEqual(['studio 2']);
  });
});
