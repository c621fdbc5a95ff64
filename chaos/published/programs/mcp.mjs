// docs/clients/mcp.md, with the official client: an agent that calls `generate_video` again with the same key until it is answered, then
// `get_video`, and at last follows the link.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const { ONETAKE_URL, ONETAKE_API_KEY, PARAMS, IDEMPOTENCY_KEY, TASK_ID, FILE, MCP_COMMAND } = process.env;
const PAUSE_MS = 1000;

function transport() {
  if (MCP_COMMAND)
    return new StdioClientTransport({
      command: process.execPath,
      args: [MCP_COMMAND, 'mcp'],
      env: { ONETAKE_URL, ONETAKE_API_KEY },
    });
  const requestInit = { headers: { authorization: `Bearer ${ONETAKE_API_KEY}` } };
  return new StreamableHTTPClientTransport(new URL('/mcp', ONETAKE_URL), { requestInit });
}

let client;

async function connected() {
  if (client) return client;
  const opening = new Client({ name: 'chaos', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  await opening.connect(transport());
  opening.onclose = () => {
    client = undefined;
  };
  client = opening;
  return opening;
}

/** Calls a tool. Undefined if there was no answer, or one that refuses the call for now. */
async function call(name, args) {
  try {
    const answer = await (await connected()).callTool({ name, arguments: args });
    if (answer.structuredContent) return answer;
    console.error(answer.content[0]?.text);
  } catch (error) {
    console.error(error.message);
  }
  await sleep(PAUSE_MS);
  return undefined;
}

let id = TASK_ID;
let done;
while (!done) {
  const answer = id
    ? await call('get_video', { task_id: id, wait_seconds: 50 })
    : await call('generate_video', { ...JSON.parse(PARAMS), idempotency_key: IDEMPOTENCY_KEY });
  const { task_id, status, error } = answer?.structuredContent ?? {};
  id ??= task_id;
  if (status === 'failed') throw new Error(error.message);
  if (status === 'succeeded') done = answer;
}

/** The link names the gateway by its own address. This client has only the way through the proxy. */
const { uri } = done.content.find(({ type }) => type === 'resource_link');
const { pathname, search } = new URL(uri);
let bytes;
while (!bytes) {
  try {
    const response = await fetch(new URL(pathname + search, ONETAKE_URL));
    if (response.ok) bytes = Buffer.from(await response.arrayBuffer());
    else console.error(response.status, await response.text());
  } catch (error) {
    console.error(error.message);
  }
  if (!bytes) await sleep(PAUSE_MS);
}
await writeFile(FILE, bytes);
await client?.close();
