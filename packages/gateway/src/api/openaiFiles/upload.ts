import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { list, shown } from '../../catalogue/words.ts';
import { atMost } from '../../media/inputs/clips.ts';
import type { FileRow } from '../../media/inputs/rows.ts';
import { storageLimit, type Upload, type Uploads } from '../../media/inputs/uploads.ts';
import { createFairLimit, type FairLimit } from '../../net/fairLimit.ts';
import { logOf } from '../../observability/requestLog.ts';
import { draining, invalidRequest, OnetakeError } from '../../tasks/errors.ts';
import { fileIdOf } from '../../tasks/ids.ts';
import { bounded, valueOfJson } from '../../tasks/text.ts';
import { takeBody } from '../body/arriving.ts';
import { type ArrivingPart, arrivingParts, invalidForm } from '../body/formParts.ts';
import { PLAIN_BYTES } from '../body/json.ts';
import { createFields, textOf } from '../body/multipart.ts';
import { tooMuchText } from '../body/scanner.ts';
import { type ApiContext, type App, type FileSettings, keyOf } from '../context.ts';
import { hangUpSignal } from '../http/hangUp.ts';
import { missing } from '../openaiVideos/errors.ts';
import { PURPOSES } from './schemas.ts';

/** Uploads that arrive at a time, over all projects and per project. Each holds a file and a connection, but no memory. */
const AT_A_TIME = { total: 32, perTenant: 8 };
/** How long an upload waits for its turn. Milliseconds. */
const TURN_MS = 30_000;
/** How long a stop waits for the removal of uploads that it has cut off. The sweep removes what is left. Milliseconds. */
const REMOVAL_MS = 3000;
const NAME_LENGTH = 255;
/** OpenAI's API description, schema FileExpirationAfter. Seconds. */
const EXPIRES_AFTER = { min: 3600, max: 2_592_000 };

/** A form as it is read: the file on its way into the storage, and the text. */
interface ReadForm {
  readonly file: { readonly upload: Upload; readonly name: string } | undefined;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Leaves the bodies of forms to the handler, which takes them as they arrive, and refuses any other. */
export function refuseOtherBodies(scope: App): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null));
  scope.addContentTypeParser('*', (_request, payload, done) => {
    payload.resume();
    done(noForm());
  });
  // Fastify looks for no parser then.
  scope.addHook('onRequest', async ({ headers }) => {
    if (headers['content-type'] === '') throw noForm();
  });
}

function noForm(): OnetakeError {
  const message =
    'Send the file as a form (multipart/form-data) with the field "file": curl -F file=@cat.png.';
  return new OnetakeError('unsupported_media_type', 415, message);
}

/**
 * Takes an upload in. Throws what is wrong with it; then nothing of it stays stored. `app` does not close before the uploads that its stop
 * has cut off are removed.
 */
export function createUploadHandler(app: App, context: ApiContext) {
  const { uploads, engine, settings } = context;
  const { maxBytes } = settings.files;
  const turns = createFairLimit(AT_A_TIME);
  const running = new Set<Promise<unknown>>();
  app.addHook('onClose', async () => {
    await Promise.race([Promise.allSettled(running), sleep(REMOVAL_MS, undefined, { ref: false })]);
  });

  return (request: FastifyRequest, reply: FastifyReply): Promise<FileRow> => {
    const run = upload(request, reply);
    running.add(run);
    const ended = () => running.delete(run);
    run.then(ended, ended);
    return run;
  };

  async function upload(request: FastifyRequest, reply: FastifyReply): Promise<FileRow> {
    const key = keyOf(request);
    const gone = hangUpSignal(reply);
    const body = { limit: maxBytes + PLAIN_BYTES, tooLarge: () => tooLarge(maxBytes) };
    const row = await takeBody(request.raw, body, async (pieces) => {
      if (engine.draining) throw draining();
      const release = await turnOf(turns, key.projectId, gone);
      try {
        await requireRoom(context, key.projectId, 1);
        const parts = arrivingParts(pieces, request.headers['content-type'] ?? '');
        return await keepFile(key.projectId, parts, gone);
      } finally {
        release();
      }
    });
    const { contentType, bytes } = row;
    const file = {
      file: fileIdOf(row.id),
      project: key.projectId,
      key: key.id,
      content_type: contentType,
      bytes,
    };
    logOf(request).info({ event: 'file.uploaded', ...file }, 'file uploaded');
    return row;
  }

  async function keepFile(
    projectId: string,
    parts: AsyncIterable<ArrivingPart>,
    gone: AbortSignal,
  ): Promise<FileRow> {
    const form = await readForm(parts, { uploads, projectId, maxBytes });
    try {
      const { purpose, keepMs } = checkFields(form.fields, settings.files);
      if (!form.file) throw missing('file');
      await requireRoom(context, projectId, form.file.upload.bytes);
      // If the client has disconnected, nobody would learn the id of the file.
      gone.throwIfAborted();
      return await form.file.upload.keep({
        name: form.file.name,
        purpose,
        keepMs,
        projectBytes: settings.files.perProjectBytes,
      });
    } catch (error) {
      await form.file?.upload.discard();
      throw error;
    }
  }
}

interface Target {
  readonly uploads: Uploads;
  readonly projectId: string;
  readonly maxBytes: number;
}

async function readForm(
  parts: AsyncIterable<ArrivingPart>,
  { uploads, projectId, maxBytes }: Target,
): Promise<ReadForm> {
  const fields = createFields();
  let file: ReadForm['file'];
  let textBytes = 0;
  try {
    for await (const { name, filename, content } of parts) {
      if (filename !== undefined) {
        if (name !== 'file' || file) throw otherFile(name);
        const bytes = atMost(maxBytes, content, () => tooLarge(maxBytes));
        file = {
          upload: await uploads.receive(bytes, projectId),
          name: bounded(filename, NAME_LENGTH) || 'file',
        };
        continue;
      }
      const text = await Array.fromAsync(
        atMost(PLAIN_BYTES - textBytes, content, () => tooMuchText(PLAIN_BYTES)),
      );
      const whole = Buffer.concat(text);
      textBytes += whole.length;
      fields.add(name, textOf(name, whole));
    }
    return { file, fields: fields.all() };
  } catch (error) {
    await file?.upload.discard();
    throw error;
  }
}

function checkFields(
  { purpose = PURPOSES[0], expires_after: expiry, ...others }: ReadForm['fields'],
  { retentionMs }: FileSettings,
): { readonly purpose: string; readonly keepMs: number } {
  const [unknown] = Object.keys(others);
  if (unknown === 'file')
    throw invalidForm('file must be a file: a part of the form with a filename.', 'file');
  if (unknown !== undefined) {
    throw unknownField(unknown);
  }
  const known = PURPOSES.find((word) => word === purpose);
  if (!known) {
    throw invalidRequest(
      `purpose must be ${list(PURPOSES, 'or')}, because files are inputs of videos here; got ${shown(purpose)}.`,
      'purpose',
    );
  }
  return { purpose: known, keepMs: expiry === undefined ? retentionMs : keptFor(expiry, retentionMs) };
}

/** Milliseconds. */
function keptFor(expiry: unknown, retentionMs: number): number {
  // Clients that follow the OpenAPI document send it as JSON, OpenAI's SDKs in brackets.
  const given = typeof expiry === 'string' ? valueOfJson(expiry) : expiry;
  const { anchor, seconds, ...others } =
    typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {};
  const max = Math.min(EXPIRES_AFTER.max, retentionMs / 1000);
  const wanted = /^\d{1,9}$/.test(String(seconds)) ? Number(seconds) : Number.NaN;
  const isRight = anchor === 'created_at' && Object.keys(others).length === 0;
  if (isRight && wanted >= EXPIRES_AFTER.min && wanted <= max) return wanted * 1000;
  throw invalidRequest(
    `expires_after must be expires_after[anchor]=created_at and expires_after[seconds] from ${EXPIRES_AFTER.min} to ${max}.`,
    'expires_after',
  );
}

/** Throws a 409 if the files of the project are already more than would leave room: before the bytes are received, or measured. */
async function requireRoom(
  { store, settings: { files } }: ApiContext,
  projectId: string,
  bytes: number,
): Promise<void> {
  if ((await store.bytesOfFiles(projectId)) + bytes <= files.perProjectBytes) return;
  throw storageLimit(files.perProjectBytes);
}

async function turnOf(turns: FairLimit, projectId: string, gone: AbortSignal): Promise<() => void> {
  const late = AbortSignal.timeout(TURN_MS);
  try {
    return await turns.acquire(projectId, 1, AbortSignal.any([gone, late]));
  } catch (error) {
    if (!late.aborted) throw error;
    const message = 'Too many uploads at once; send the next one after some of them are answered.';
    throw new OnetakeError('rate_limited', 429, message, { retryAfterSeconds: 5 });
  }
}

const otherFile = (name: string): OnetakeError =>
  name === 'file'
    ? invalidForm('The form has several files; upload one at a time.', 'file')
    : unknownField(name);

const unknownField = (name: string): OnetakeError =>
  invalidRequest(
    `Unknown parameter: ${shown(name)}; an upload takes file, purpose and expires_after.`,
    name.slice(0, 64).toWellFormed(),
    'unknown_parameter',
  );

const tooLarge = (maxBytes: number): OnetakeError =>
  new OnetakeError(
    'body_too_large',
    413,
    `The file is larger than ${Math.floor(maxBytes / 2 ** 20)} MiB, the most that is taken here (ONETAKE_FILE_LIMIT_MB); send a smaller one.`,
    { param: 'file' },
  );
