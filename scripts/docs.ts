import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  ABILITIES,
  type Abilities,
  createCatalogue,
  LOG_EVENTS,
  modelsDocument,
  SETTINGS,
  type Setting,
  SHIPPED_MODELS,
} from '@onetake/gateway';

/**
 * Writes the documents that are generated from the code, or with `--check` reports which are out of date.
 *
 *   npm run docs
 */
const DOCUMENTS: Readonly<Record<string, () => string>> = {
  'docs/models.md': modelsPage,
  'docs/operations.md': operationsPage,
  'docs/providers.md': providersPage,
  'docs/settings.md': settingsPage,
};

function providersPage(): string {
  return withTable('docs/providers.md', 'abilities', abilitiesTable());
}

function operationsPage(): string {
  const rows = Object.entries(LOG_EVENTS).map(([event, meaning]) => `| \`${event}\` | ${meaning} |`);
  return withTable(
    'docs/operations.md',
    'log events',
    ['| event | meaning |', '| --- | --- |', ...rows].join('\n'),
  );
}

/** The page with a new table between `<!-- name -->` and `<!-- /name -->`. */
function withTable(path: string, name: string, table: string): string {
  const page = readIfThere(pathOf(path)) ?? '';
  return page.replace(new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*(<!-- /${name} -->)`), (_all, begin, end) =>
    [begin, table, '\n', end].join(''),
  );
}

function abilitiesTable(): string {
  const columns: Readonly<Record<string, (abilities: Abilities) => string>> = {
    'stops jobs': ({ cancel }) => ({ none: '–', queued: 'waiting ones', any: 'yes' })[cancel],
    'finds lost submissions': ({ find }) =>
      ({ none: '–', absent: 'only that there is none', unique: 'where unique', full: 'yes' })[find],
    'resumes downloads': ({ resumeDownload }) => mark(resumeDownload),
    'polls in batches': ({ batchPolling }) => mark(batchPolling),
    callbacks: ({ callbacks, hints }) => (hints ? 'built in' : mark(callbacks)),
    progress: ({ progress, queuePosition }) => {
      if (progress) return 'percent';
      return queuePosition ? 'place in the queue' : '–';
    },
    times: ({ startedAt, endedAt }) => {
      if (startedAt) return 'start and end';
      return endedAt ? 'end' : '–';
    },
    'deletes upstream': ({ discard }) => mark(discard),
  };
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    row(['', ...Object.keys(columns)]),
    row(Array(Object.keys(columns).length + 1).fill('---')),
    ...Object.entries(ABILITIES).map(([name, abilities]) =>
      row([`\`${name}\``, ...Object.values(columns).map((cell) => cell(abilities))]),
    ),
  ].join('\n');
}

const check = process.argv.includes('--check');
let stale = 0;
for (const [path, make] of Object.entries(DOCUMENTS)) {
  const file = pathOf(path);
  const text = make();
  if (!check) {
    writeFileSync(file, text);
    continue;
  }
  if (readIfThere(file) === text) continue;
  stale += 1;
  console.error(`${path} is not what the code says; run: npm run docs`);
}
process.exitCode = stale === 0 ? 0 : 1;

/** The built-in catalogue, without the changes of this machine's settings. */
function modelsPage(): string {
  return modelsDocument(createCatalogue({ declared: SHIPPED_MODELS, servers: [] }).list());
}

function settingsPage(): string {
  const rows = Object.values<Setting>(SETTINGS).map(
    ({ env, default: fallback, description }) =>
      `| \`${env}\` | ${fallback ? `\`${fallback}\`` : '–'} | ${description} |`,
  );
  return `# Settings

Generated from \`packages/gateway/src/config/settings.ts\` by \`npm run docs\`.

A setting is read from the environment, then from \`onetake.yaml\` in the working folder (or the file that \`ONETAKE_CONFIG\` names), then from
its default. In the file its name has no \`ONETAKE_\` and is in lower case: \`data_dir: /var/lib/onetake\`. Everything is
checked before a file is created or a server is contacted: accounts with their packages and secrets, changes of the catalogue, certificates, and combinations
of settings. All errors are reported together, with exit code 2. An unknown name is an error. So is an
\`onetake.yml\`, because that file is not read.

A running gateway takes over the [members of fleets](providers/fleets.md) when the file changes. Everything else is read at its start, with \`ONETAKE_WORKERS\` at that of the first process, also for workers that are started again.

| setting | default | meaning |
| --- | --- | --- |
${rows.join('\n')}

## Changing the catalogue

\`models\` in \`onetake.yaml\` adds models to the [catalogue](models.md) or changes its entries, without a release: see [models of your own](models-of-your-own.md).
`;
}

function pathOf(path: string): string {
  return fileURLToPath(new URL(`../${path}`, import.meta.url));
}

function mark(has: boolean): string {
  return has ? 'yes' : '–';
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
