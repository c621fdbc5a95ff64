import { invalidRequest } from '../../tasks/errors.ts';
import { isTaskId, mediaIdOfFile, namesFile } from '../../tasks/ids.ts';
import { REFERENCE_TYPES, type ReferenceType } from '../../tasks/request.ts';
import type { Field, Given } from '../fields.ts';
import type { Model, ReferencesSpec } from '../model.ts';
import { kindOf, kindText, takesText } from '../references.ts';
import { list, shown } from '../words.ts';
import { checkImage } from './parameter.ts';
import { checkUrl, isText } from './text.ts';

/** A reference of a request before it is read. */
export interface DraftReference {
  readonly type: ReferenceType;
  readonly role?: string;
  /** Its place in the request, for errors: `references[1]`. */
  readonly field: string;
  /** A URL, a data URL, base64 or the id of an uploaded file; or a task of this gateway whose video it is. */
  readonly from: { readonly given: string } | { readonly videoId: string };
}

/** The part of the catalogue that is needed to name other models. */
interface OfferedModels {
  offered(): readonly Model[];
}

/** The members of a reference on the wire. */
const MEMBERS: Readonly<Record<string, 'type' | 'role' | 'url' | 'data' | 'videoId' | 'fileId'>> = {
  type: 'type',
  role: 'role',
  url: 'url',
  data: 'data',
  video_id: 'videoId',
  videoId: 'videoId',
  file_id: 'fileId',
  fileId: 'fileId',
};

/** The references of a request, in any of its forms. Throws a 400 that says what the model takes, and which models take what it does not. */
export function checkReferences(
  model: Model,
  fields: ReadonlyMap<Field, Given>,
  models: OfferedModels,
): readonly DraftReference[] | undefined {
  const given = fields.get('references');
  const images = fields.get('referenceImages');
  const source = sourceIn(model, fields);
  if (given && images) {
    throw invalidRequest(
      `${images.name} is the short form of ${given.name} for images without a role; send one of the two.`,
      images.name,
    );
  }
  const listed = images
    ? fromImages(model, images, models)
    : given
      ? fromList(model, given, models)
      : undefined;
  if (!source) return listed;
  const references = [source, ...(listed ?? [])];
  checkCounts(model, model.parameters.references, references, given?.name ?? source.field);
  return references;
}

/** `video_url` is the short form of the video to edit, for models that take one. */
export const takesSource = ({ parameters }: Model): boolean =>
  parameters.videoUrl === undefined &&
  kindOf(parameters.references, { type: 'video', role: 'source' }) !== undefined;

function sourceIn(model: Model, fields: ReadonlyMap<Field, Given>): DraftReference | undefined {
  const given = fields.get('videoUrl');
  if (!given || !takesSource(model)) return undefined;
  const { name, value } = given;
  return { type: 'video', role: 'source', field: name, from: sourceFrom(given, value) };
}

function sourceFrom(given: Given, value: unknown): DraftReference['from'] {
  if (typeof value === 'string' && isTaskId(value)) return { videoId: value };
  return { given: typeof value === 'string' && namesFile(value) ? value : checkUrl(given) };
}

function fromImages(model: Model, { name, value }: Given, models: OfferedModels): readonly DraftReference[] {
  const kind = kindOf(model.parameters.references, { type: 'image' });
  if (!kind) throw notTaken(model, { type: 'image', field: name }, models);
  if (!Array.isArray(value) || value.length < 1 || value.length > kind.max) {
    throw invalidRequest(`${name} must be a list of 1 to ${kind.max} images for ${model.id}.`, name);
  }
  const references = value.map((image: unknown, index): DraftReference => {
    const field = `${name}[${index}]`;
    return { type: 'image', field, from: { given: checkImage(field, image) } };
  });
  checkCounts(model, model.parameters.references, references, name);
  return references;
}

function fromList(model: Model, { name, value }: Given, models: OfferedModels): readonly DraftReference[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidRequest(
      `${name} must be a list of one or more objects such as {"type": "image", "url": "https://…"}.`,
      name,
    );
  }
  const references = value.map((item: unknown, index) => readReference(item, `${name}[${index}]`));
  const spec = model.parameters.references;
  for (const reference of references) if (!kindOf(spec, reference)) throw notTaken(model, reference, models);
  checkCounts(model, spec, references, name);
  return references;
}

function readReference(item: unknown, field: string): DraftReference {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) {
    throw invalidRequest(`${field} must be an object such as {"type": "image", "url": "https://…"}.`, field);
  }
  const { type, role, ...sources } = membersOf(item, field);
  const known = REFERENCE_TYPES.find((word) => word === type);
  if (!known) {
    throw invalidRequest(
      `${field}.type must be ${list(REFERENCE_TYPES, 'or')}; got ${shown(type)}.`,
      `${field}.type`,
    );
  }
  if (role !== undefined && !isText(role)) {
    throw invalidRequest(`${field}.role must be text; got ${shown(role)}.`, `${field}.role`);
  }
  return {
    type: known,
    ...(role === undefined ? {} : { role }),
    field,
    from: sourceOf(known, sources, field),
  };
}

type Members = Readonly<Partial<Record<(typeof MEMBERS)[string], unknown>>>;

/** `null` counts as not given, as in the body. */
function membersOf(item: object, field: string): Members {
  const members: Partial<Record<(typeof MEMBERS)[string], unknown>> = {};
  for (const [name, value] of Object.entries(item)) {
    const member = Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined;
    if (!member) {
      throw invalidRequest(
        `${field} has no member ${shown(name)}; it may have type, url, data, file_id, video_id and role.`,
        field,
      );
    }
    if (value === null) continue;
    if (Object.hasOwn(members, member)) {
      const [one, other] = Object.keys(MEMBERS).filter((spelling) => MEMBERS[spelling] === member);
      throw invalidRequest(`${field} has ${one} twice; send it once, as ${one} or as ${other}.`, field);
    }
    members[member] = value;
  }
  return members;
}

function sourceOf(
  type: ReferenceType,
  { url, data, videoId, fileId }: Members,
  field: string,
): DraftReference['from'] {
  if ([url, data, videoId, fileId].filter((source) => source !== undefined).length !== 1) {
    throw invalidRequest(`${field} must have exactly one of url, data, file_id and video_id.`, field);
  }
  if (url !== undefined) return { given: checkUrl({ name: `${field}.url`, value: url }) };
  if (data !== undefined) {
    if (isText(data) && data.trim() !== '' && !/^https?:/i.test(data) && !namesFile(data))
      return { given: data };
    throw invalidRequest(
      `${field}.data must be a data URL or base64, as text; a link belongs in ${field}.url, and the id of a file in ${field}.file_id.`,
      `${field}.data`,
    );
  }
  if (fileId !== undefined) {
    if (typeof fileId === 'string' && mediaIdOfFile(fileId) !== undefined) return { given: fileId };
    throw invalidRequest(
      `${field}.file_id must be the id of a file that you uploaded to /v1/files; got ${shown(fileId)}.`,
      `${field}.file_id`,
    );
  }
  if (type !== 'video') {
    throw invalidRequest(`${field}: video_id names a video, so its type must be video.`, `${field}.type`);
  }
  if (typeof videoId === 'string' && isTaskId(videoId)) return { videoId };
  throw invalidRequest(
    `${field}.video_id must be the id of a finished task of yours; got ${shown(videoId)}.`,
    `${field}.video_id`,
  );
}

function checkCounts(
  model: Model,
  spec: ReferencesSpec | undefined,
  references: readonly DraftReference[],
  name: string,
): void {
  if (!spec) return;
  const tooMany = spec.takes.find(
    (kind) => references.filter((one) => kindOf(spec, one) === kind).length > kind.max,
  );
  if (tooMany || references.length > (spec.max ?? Number.POSITIVE_INFINITY)) {
    throw invalidRequest(`${name} has too many: ${model.id} takes ${takesText(spec)}.`, name);
  }
  for (const reference of references) {
    const beside = kindOf(spec, reference)?.with;
    if (!beside || references.some(({ type }) => beside.includes(type))) continue;
    throw invalidRequest(
      `${reference.field}: ${model.id} takes ${kindText(reference, 2)} only beside ${list(
        beside.map((type) => `references of type ${type}`),
        'or',
      )}.`,
      reference.field,
    );
  }
}

/** Names what the model takes, and other models that take the reference. */
function notTaken(
  model: Model,
  reference: Pick<DraftReference, 'type' | 'role' | 'field'>,
  models: OfferedModels,
): Error {
  const own = model.parameters.references;
  const takers = models
    .offered()
    .filter(({ parameters }) => kindOf(parameters.references, reference))
    // The same family first, because that is the smallest change.
    .sort((a, b) => Number(b.family === model.family) - Number(a.family === model.family))
    .slice(0, 4)
    .map(({ id }) => id);
  const instead = own ? `it takes ${takesText(own)}` : `leave ${reference.field.replace(/\[\d+\]$/, '')} out`;
  const others = takers.length > 0 ? `, or use ${list(takers, 'or')}` : '';
  return invalidRequest(
    `${reference.field}: ${model.id} takes no ${kindText(reference)} as a reference; ${instead}${others}.`,
    reference.field,
  );
}
