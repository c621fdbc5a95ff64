/** The upstream takes files by public links only, and the caller has given bytes. */
export class NoLink extends Error {}

/** What a file is for, if it is one of `references`. */
export interface InputMembers {
  readonly type: string;
  readonly role: string | undefined;
}

/** A file of a request, as expressions see it. JSON writes it as a data URL. */
export class InputFile {
  readonly content_type: string;
  /** Undefined for a video, which is only there as a link. */
  readonly bytes: Buffer | undefined;
  declare readonly base64: string;
  declare readonly data_url: string;
  declare readonly url: string;
  /** What the upstream knows it by, once it has been uploaded. */
  declare uploaded?: unknown;

  constructor(
    bytes: Buffer | undefined,
    { contentType, link }: { readonly contentType: string; readonly link?: string | undefined },
    members?: InputMembers,
  ) {
    this.bytes = bytes;
    this.content_type = contentType;
    // Members of its own, because JSONata reads no others, and made only when they are read, because an image may have 20 MB.
    Object.defineProperties(this, {
      base64: { get: () => (bytes ?? noBytes()).toString('base64') },
      data_url: { get: () => `data:${contentType};base64,${(bytes ?? noBytes()).toString('base64')}` },
      url: { get: () => link ?? noLink() },
      type: { value: members?.type },
      role: { value: members?.role },
    });
  }

  /** For a field of a form. The file has its name, and an extension by its type. */
  asFile(field: string): File {
    const type = this.content_type;
    return new File([new Uint8Array(this.bytes ?? noBytes())], `${field}.${type.split('/')[1]}`, { type });
  }

  toJSON(): string {
    return this.data_url;
  }
}

function noBytes(): never {
  throw new Error('a video of references has a url, but no bytes');
}

function noLink(): never {
  throw new NoLink(
    'This model takes images and other files only by public links; give their URLs, and not their bytes.',
  );
}
