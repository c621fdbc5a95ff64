import { createProjects, type Projects } from '../../auth/projects.ts';
import { type LocalConfig, readLocalConfig } from '../../config/config.ts';
import type { ProjectRow } from '../../store/projects.ts';
import type { Store } from '../../store/store.ts';
import { systemClock } from '../../time/clock.ts';
import { usageError } from '../usage.ts';
import { type AllowanceOptions, allowanceOf, limitsText } from './allowance.ts';
import { openCommandStore, openExistingStore } from './store.ts';

interface ProjectOptions extends AllowanceOptions {
  readonly name?: string | undefined;
}

/** `onetake projects create ID`. Works before the first start of a gateway, too. */
export async function createProject(id: string, { name, ...options }: ProjectOptions): Promise<void> {
  const allowance = allowanceOf(options);
  await withProjects(openCommandStore, async (projects) => {
    const named = name === undefined ? {} : { name };
    const row = await projects.create({ id, ...named, ...allowance.settings({}) }, 'cli');
    process.stdout.write(`Created ${row.id}.\n`);
  });
}

/** `onetake projects list`. */
export const listProjects = (): Promise<void> =>
  withProjects(openExistingStore, async (projects) => {
    for (const row of await projects.list()) process.stdout.write(`${lineOf(row)}\n`);
  });

/** `onetake projects show ID`. */
export const showProject = (id: string): Promise<void> =>
  withProjects(openExistingStore, async (projects, store) => {
    const row = await projects.get(id);
    const metadata = Object.entries(row.defaultMetadata ?? {}).map(([name, value]) => `${name}=${value}`);
    process.stdout.write(`${lineOf(row)}\nmetadata: ${metadata.join(',') || '-'}\n`);
    for (const key of await store.listKeys())
      if (key.projectId === id)
        process.stdout.write(`${key.id}  ${key.prefix}…  ${key.scopes.join('+')}  ${key.name}\n`);
  });

/** `onetake projects set ID`. Running gateways notice within a second. */
export async function setProject(id: string, { name, ...options }: ProjectOptions): Promise<void> {
  const allowance = allowanceOf(options);
  if (name === undefined && allowance.isEmpty)
    throw usageError(
      'Say what to change: onetake projects set ID --tasks-in-flight 10 (see onetake projects set --help).',
    );
  await withProjects(openExistingStore, async (projects) => {
    const named = name === undefined ? {} : { name };
    const settings = { ...named, ...allowance.settings(await projects.get(id)) };
    process.stdout.write(`Changed ${lineOf(await projects.change(id, settings, 'cli'))}\n`);
  });
}

/** `onetake projects archive ID`. */
export const archiveProject = (id: string, { restore = false }: { readonly restore?: boolean | undefined }) =>
  withProjects(openExistingStore, async (projects) => {
    await projects.change(id, { archived: !restore }, 'cli');
    process.stdout.write(`${restore ? 'Restored' : 'Archived'} ${id}.\n`);
  });

async function withProjects(
  open: (config: LocalConfig) => Promise<Store>,
  act: (projects: Projects, store: Store) => Promise<void>,
): Promise<void> {
  const store = await open(readLocalConfig(process.env));
  try {
    await act(createProjects(store, systemClock), store);
  } finally {
    await store.close();
  }
}

const lineOf = (row: ProjectRow): string =>
  `${row.id}  ${row.archivedAt === undefined ? 'active  ' : 'archived'}  ${new Date(row.createdAt).toISOString()}  ${limitsText(row)}  ${row.name}`;
