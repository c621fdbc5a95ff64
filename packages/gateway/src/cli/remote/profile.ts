import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { invalidRequest } from '../../tasks/errors.ts';

const Profile = z.object({ url: z.url({ protocol: /^https?$/ }), api_key: z.string().min(1) });
/** Where a gateway is and the key for it, as `onetake login` has saved them. */
export type Profile = z.output<typeof Profile>;

/** https://specifications.freedesktop.org/basedir-spec/latest/: a relative path is as good as none. */
function profilePath({ XDG_CONFIG_HOME: config = '' }: NodeJS.ProcessEnv): string {
  return join(isAbsolute(config) ? config : join(homedir(), '.config'), 'onetake', 'profile.json');
}

/** Undefined if there is none. */
export function readProfile(env: NodeJS.ProcessEnv): Profile | undefined {
  const path = profilePath(env);
  try {
    return Profile.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    const why = code === undefined ? 'is damaged' : `cannot be read (${code})`;
    throw invalidRequest(`The profile ${path} ${why}; save another one with onetake login, or remove it.`);
  }
}

/** Saves a profile that only this user can read, and returns its path. The one before is replaced as a whole. */
export function saveProfile(profile: Profile, env: NodeJS.ProcessEnv): string {
  const path = profilePath(env);
  const draft = `${path}.${process.pid}.new`;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(draft, `${JSON.stringify(profile, undefined, 2)}\n`, { mode: 0o600 });
  // The mode above holds only for a new file, which an interrupted login may have left.
  chmodSync(draft, 0o600);
  renameSync(draft, path);
  return path;
}
