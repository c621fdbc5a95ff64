// An upstream in a process of its own that speaks the protocol of OpenAI's Videos API: every job is finished at once, and its video is a
// file of the folder that is given, named by a word of the prompt.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { printAddress } from './address.ts';

const [folder = '.'] = process.argv.slice(2);
let jobs = 0;

const server = createServer((request, response) => {
  answer(request, response).catch((error) => response.destroy(error));
});
printAddress(server);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'POST') {
    let body = '';
    for await (const chunk of request) body += chunk;
    jobs += 1;
    const file = /file (\w+)/.exec(body)?.[1] ?? 'none';
    return json(response, { id: `job-${jobs}-${file}`, status: 'queued' });
  }
  const [, id = '', file = '', content] =
    /^\/v1\/videos\/(job-\d+-(\w+))(\/content)?/.exec(request.url ?? '') ?? [];
  if (content === undefined) return json(response, { id, status: 'completed' });
  const path = join(folder, `${file}.mp4`);
  response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': (await stat(path)).size });
  createReadStream(path, { highWaterMark: 2 ** 18 }).pipe(response);
}

function json(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}
