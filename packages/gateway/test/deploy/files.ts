import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments, parseDocument } from 'yaml';
import { z } from 'zod';

export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** The text of a file of the repository. */
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Files below a folder of the repository, or the file itself, as paths from its root. */
export function filesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** The one YAML document of a file, with merge keys resolved; throws if it is invalid or has duplicate keys. */
export function yaml(path: string): unknown {
  const document = parseDocument(read(path), { merge: true, uniqueKeys: true });
  if (document.errors.length > 0) throw new Error(`${path}: ${document.errors[0]?.message}`);
  return document.toJS();
}

/** The number of YAML documents in a file. */
export const documentsIn = (path: string): number => parseAllDocuments(read(path)).length;

/** `NAME=value` lines. */
export function envFile(path: string): Map<string, string> {
  const lines = read(path)
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => line.split(/=(.*)/, 2) as [string, string]));
}

const SECONDS = { s: 1, m: 60, h: 3600 } as const;

/** `75s`, `1m` as seconds. */
export function seconds(text: string): number {
  const [, amount, unit] = z
    .tuple([z.string(), z.coerce.number(), z.enum(['s', 'm', 'h'])])
    .parse([...(/^(\d+)([smh])$/.exec(text) ?? [])]);
  return amount * SECONDS[unit];
}
