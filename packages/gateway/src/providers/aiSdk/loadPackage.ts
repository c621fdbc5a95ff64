import { findPackageJSON } from 'node:module';
import { z } from 'zod';
import { OnetakeError } from '../../tasks/errors.ts';
import type { PackageRow } from './packageRow.ts';
import { type LoadedPackage, Resumable, VideoProvider } from './videoModel.ts';

/** The account's settings for a package. */
export interface Credentials {
  readonly apiKey: string;
  readonly baseUrl: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}

const Factory = z.custom<(options: Readonly<Record<string, unknown>>) => unknown>(
  (value) => typeof value === 'function',
);

/**
 * Imports a package and checks that its video models can be resumed. Throws an `OnetakeError` (`invalid_settings`) that says which
 * package to install, or what is wrong with the package.
 */
export async function loadPackage(
  row: PackageRow,
  credentials: Credentials,
  accountId: string,
): Promise<LoadedPackage> {
  const module = await imported(row, accountId);
  const factory = Factory.safeParse(module[row.factory]);
  if (!factory.success) {
    throw unusable(row, accountId, `has no export ${row.factory}; name its factory with "factory"`);
  }

  const make = factory.data;
  function model(id: string, fetch: typeof globalThis.fetch): unknown {
    // Cheap enough for each call: packages only create closures and open no connection. So each call gets its own `fetch`.
    const provider = make({
      [row.keyOption]: credentials.apiKey,
      ...(row.baseUrlOption !== undefined && credentials.baseUrl !== undefined
        ? { [row.baseUrlOption]: credentials.baseUrl }
        : {}),
      headers: credentials.headers,
      fetch,
    });
    const videos = VideoProvider.safeParse(provider);
    if (!videos.success) throw unusable(row, accountId, 'makes no video models');
    return videos.data.videoModel(id);
  }

  const probe = Resumable.safeParse(model('probe', globalThis.fetch));
  if (!probe.success) {
    throw unusable(
      row,
      accountId,
      'has video models that cannot be resumed (no doStart and doStatus): a restart would lose tasks',
    );
  }
  const { VERSION } = module;
  return {
    version: typeof VERSION === 'string' ? VERSION : row.version,
    model: (id, fetch) => Resumable.parse(model(id, fetch)),
  };
}

async function imported(row: PackageRow, accountId: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await row.load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new OnetakeError(
      'invalid_settings',
      400,
      `The account ${accountId} ${notInstalled(row)}.`,
      {},
      cause,
    );
  }
}

/** Whether Node would find the package. Looks only at the disk and runs no code of the package. */
export function isInstalled(name: string): boolean {
  try {
    return findPackageJSON(name, import.meta.url) !== undefined;
  } catch {
    return false;
  }
}

export const notInstalled = (row: PackageRow): string =>
  `needs the package ${row.package}, which is not installed: run "npm install ${row.package}@${row.version}" where the gateway is installed (with --global if it is), ` +
  `or remove the account${variables(row)}`;

const variables = ({ environment: { keys } }: PackageRow): string =>
  keys.length > 0 ? ` (${keys.join(', ')} makes it)` : '';

function unusable(row: PackageRow, accountId: string, what: string): OnetakeError {
  return new OnetakeError(
    'invalid_settings',
    400,
    `The package ${row.package} of the account ${accountId} ${what}.`,
  );
}
