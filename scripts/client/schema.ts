import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createLog, readConfig, startGateway } from '@onetake/gateway';
import { type CatalogueModel, modelTypes } from './models.ts';

const run = promisify(execFile);
const SOURCES = fileURLToPath(new URL('../../packages/client/src', import.meta.url));

/** Of a gateway that lives for a second. */
const KEY = 'sk-types-of-the-client-0123456789';

const HEAD = "// Made from the gateway's OpenAPI document by `npm run client`.\n\n";

export async function writeTypes(tools: string): Promise<void> {
  for (const [name, text] of await makeTypes(tools)) await writeFile(join(SOURCES, name), text);
}

/** What is wrong with the checked-in types. */
export async function checkTypes(tools: string): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const [name, text] of await makeTypes(tools))
    if ((await readFile(join(SOURCES, name), 'utf8')) !== text)
      problems.push(`packages/client/src/${name} is not what the gateway says; run: npm run client`);
  return problems;
}

/** The made files, each with its text. */
async function makeTypes(tools: string): Promise<readonly (readonly [name: string, text: string])[]> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-client-'));
  try {
    const { document, models } = await readGateway(folder);
    const [from, to] = [join(folder, 'openapi.json'), join(folder, 'schema.ts')];
    await writeFile(from, JSON.stringify(schemasOf(document)));
    await run(join(tools, 'openapi-typescript'), [from, '--output', to, '--immutable']);
    // Beside the schemas it has a type for each other part of a document, of which there are none.
    const schemas = /^ {4}schemas: (\{\n[\s\S]*?\n {4}\});$/m.exec(await readFile(to, 'utf8'))?.[1];
    if (!schemas) throw new Error('The generator wrote no schemas.');
    return [
      ['schema.ts', `${HEAD}export interface Schemas ${schemas.replaceAll(/^ {4}/gm, '')}\n`],
      ['models.ts', modelTypes(models)],
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Json {
  readonly content?: { readonly 'application/json'?: { readonly schema?: object } };
}
interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly description?: string;
  readonly schema: object & { readonly default?: unknown };
}
interface Operation {
  readonly operationId?: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Json;
  readonly responses?: Readonly<Record<string, Json>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** As a gateway of this checkout serves them. */
async function readGateway(folder: string) {
  const settings = { ONETAKE_PORT: '0', ONETAKE_DATA_DIR: join(folder, 'data'), ONETAKE_BOOTSTRAP_KEY: KEY };
  const config = readConfig(settings, () => undefined);
  const gateway = await startGateway(config, createLog('silent'));
  const read = async (path: string) => {
    const response = await fetch(new URL(path, gateway.address), {
      headers: { authorization: `Bearer ${KEY}` },
    });
    return response.json();
  };
  try {
    const { data } = (await read('/v1/models')) as { data: readonly CatalogueModel[] };
    return { document: (await read('/openapi.json')) as Document, models: data };
  } finally {
    await gateway.close();
  }
}

/** A submit with `wait` is answered with the task instead, and the client does not send one. */
function unheld(schema: object): object {
  const [first] = 'anyOf' in schema ? (schema.anyOf as readonly object[]) : [];
  if (!first) throw new Error('The OpenAPI document does not tell the two answers of a submit apart.');
  return first;
}

/** A document of what the client sends and reads, each under a name. The gateway's own has no names, and much more. */
function schemasOf(document: Document): object {
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const operation = (id: string): Operation => {
    const found = operations.find(({ operationId }) => operationId === id);
    if (!found) throw new Error(`The OpenAPI document has no operation ${id}.`);
    return found;
  };
  const json = (id: string, body: Json | undefined): object => {
    const schema = body?.content?.['application/json']?.schema;
    if (!schema) throw new Error(`The OpenAPI document has no JSON for ${id}.`);
    return schema;
  };
  const answer = (id: string, status = 200) => json(id, operation(id).responses?.[status]);
  const body = (id: string) => json(id, operation(id).requestBody);
  const queryOf = (id: string) => ({
    type: 'object',
    properties: Object.fromEntries(
      (operation(id).parameters ?? [])
        .filter((parameter) => parameter.in === 'query')
        // A parameter with a default may be left out.
        .map(({ name, description, schema: { default: _, ...schema } }) => [
          name,
          { ...schema, description },
        ]),
    ),
  });
  const schemas = {
    SubmitBody: body('submitVideo'),
    Submitted: unheld(answer('submitVideo')),
    Quote: answer('quoteVideo'),
    Task: answer('getVideoTask'),
    Model: answer('getModel'),
    ListQuery: queryOf('listVideoTasks'),
    Project: answer('getProject'),
    NewProject: body('createProject'),
    ProjectChanges: body('updateProject'),
    Key: answer('updateKey'),
    CreatedKey: answer('createKey', 201),
    RotatedKey: answer('rotateKey', 201),
    NewKey: body('createKey'),
    KeyChanges: body('updateKey'),
    AuditPage: answer('listAudit'),
    AuditQuery: queryOf('listAudit'),
  };
  return { openapi: '3.1.0', info: { title: 'Onetake', version: '1' }, paths: {}, components: { schemas } };
}
