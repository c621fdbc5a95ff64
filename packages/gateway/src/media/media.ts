import type { Readable } from 'node:stream';
import type { ContentCredentials } from '../tasks/task.ts';

/** Stores the bytes of videos and images. Keys are generated (`video/<id>.mp4`) and never come from a caller. */
export interface MediaStorage {
  /**
   * Opens a resumable write. Bytes are staged on this machine, so it works while the storage is unavailable. Nothing is visible
   * under `key` until `commit` has stored the complete object durably. `partial` is the number of bytes left by an interrupted
   * write, from which this one can continue.
   */
  write(key: string): Promise<MediaWrite>;
  /** Length and modification time of an object; undefined if it does not exist. */
  stat(key: string): Promise<MediaStat | undefined>;
  /** Reads bytes `start` to `end`, both inclusive, or all of them. Throws if the object does not exist. */
  read(key: string, range?: { start: number; end: number }): Promise<Readable>;
  /** Removes an object. It is no error if the object does not exist. */
  remove(key: string): Promise<void>;
  /** Calls `use` with a local file that has the object's bytes. A remote driver makes a temporary copy. */
  withLocalFile<T>(key: string, use: (path: string) => Promise<T>): Promise<T>;
  /** Lists the objects in byte order of their keys; with `after`, only those after that key. */
  list(after?: string): AsyncIterable<MediaObject>;
  /**
   * Removes what abandoned writes left behind, if it was last modified before `before` (milliseconds UTC) and `isNeeded`
   * is false for its key. Resolves with the number of files and uploads removed.
   */
  removeLeftovers(before: number, isNeeded?: IsNeeded): Promise<number>;
  /**
   * Claims the storage for this installation. Throws if it belongs to another installation: each of them would remove
   * the other's videos as orphans.
   */
  claim(installation: string): Promise<void>;
  /** Resolves if the storage can be written to; otherwise throws an error that says why not. */
  check(): Promise<void>;
}

/** Whether the bytes staged for a key are still needed. */
export type IsNeeded = (key: string) => Promise<boolean>;

export interface MediaStat {
  readonly bytes: number;
  /** Milliseconds UTC. */
  readonly modifiedAt: number;
}

/** The object under the key differs from what was written and cannot be removed. The write must use another key. */
export class StoredWrong extends Error {}

export interface MediaObject extends MediaStat {
  readonly key: string;
}

/**
 * Told the length that a staged file has reached: first when it is opened, then after each piece, with the piece. The write does not use
 * that one any more.
 */
export type Written = (length: number, piece?: Buffer) => void;

export interface MediaWrite {
  /** Bytes already there from an interrupted write. */
  readonly partial: number;
  /** Appends the stream after truncating to `offset`; resolves with the length written so far. */
  append(stream: Readable, offset: number, written?: Written): Promise<number>;
  /** The local path of the bytes written so far, for checking them before `commit`. */
  readonly path: string;
  /** Reads the note about the staged bytes, written by this process or an earlier one; undefined if there is none that can be read. */
  readNote(): Promise<unknown>;
  /**
   * Writes a JSON note about the staged bytes, which survives the end of the process. A power failure may take it, or bytes that it
   * describes: check them. It is removed when the bytes are committed or dropped.
   */
  writeNote(note: object): Promise<void>;
  /**
   * Stores the complete object durably under its key, or under another one. If this throws, the object was not stored, and the
   * call may be repeated. Throws `StoredWrong` if a different object is under the key and cannot be removed. With `synced: false` a power
   * failure soon after may take the object, or leave it damaged: for what is made again then.
   */
  commit(key?: string, options?: CommitOptions): Promise<MediaStat>;
  /** Removes the staged bytes and their note. */
  abandon(): Promise<void>;
}

export interface CommitOptions {
  /** True by default. */
  readonly synced?: boolean;
  /** Others are soon to be committed: it may wait for them for a moment, to share what the disk takes. */
  readonly gather?: boolean;
}

/** The facts that the container of a finished video declares. */
export interface Probe {
  readonly container: string;
  /** Seconds. */
  readonly duration: number;
  readonly width: number;
  readonly height: number;
  readonly videoCodec: string;
  readonly audioCodec?: string;
  readonly fps: number;
  /** Unknown in a note of an earlier version. */
  readonly contentCredentials?: ContentCredentials;
}
