// The usual way to send a file with Node, in a process of its own: the reference.
import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { printAddress } from './address.ts';

const [path = ''] = process.argv.slice(2);
const { size } = statSync(path);
printAddress(
  createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': size });
    createReadStream(path).pipe(response);
  }),
);
