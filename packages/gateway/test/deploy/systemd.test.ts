import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import NODE_FLAGS from '../../../../scripts/nodeFlags.json' with { type: 'json' };
import { SETTINGS } from '../../src/config/settings.ts';
import { ROOT, read } from './files.ts';

const UNIT = 'deploy/onetake.service';
const lines = read(UNIT).split('\n');
const values = (name: string): string[] =>
  lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));

describe('the unit of systemd', () => {
  it('gives the gateway the time that its stop may take', () => {
    const stop = Number(SETTINGS.drainDelaySeconds.default) + Number(SETTINGS.drainTimeoutSeconds.default);
    expect(Number(values('TimeoutStopSec')[0])).toBeGreaterThanOrEqual(stop + 10);
  });

  it('sets settings that there are, and lets the service write only into its data folder and its cache', () => {
    const set = values('Environment').map((line) => line.split('=')[0] ?? '');
    const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));
    for (const name of set.filter((one) => one.startsWith('ONETAKE_'))) expect(known).toContain(name);
    expect(values('Environment')).toContain('ONETAKE_DATA_DIR=%S/onetake');
    expect(values('Environment')).toContain(`NODE_OPTIONS=${NODE_FLAGS.join(' ')}`);
    expect(values('Environment')).toContain('NODE_COMPILE_CACHE=%C/onetake');
    expect(values('StateDirectory')).toEqual(['onetake']);
    expect(values('CacheDirectory')).toEqual(['onetake']);
    expect(values('ProtectSystem')).toEqual(['strict']);
    expect(values('DynamicUser')).toEqual(['yes']);
  });

  it('is accepted by systemd', ({ skip }) => {
    if (spawnSync('systemd-analyze', ['--version']).error) return skip('needs systemd-analyze');
    const said = execFileSync('systemd-analyze', ['verify', join(ROOT, UNIT)], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
    expect(said).toBe('');
  });
});
