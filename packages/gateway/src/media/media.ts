import type { Readable } from 'node:stream';

/** Where video and image bytes live. Keys are ours (`video/<id>.mp4`), never a caller's words. */
export interface MediaStorage {
  /**
   * Opens a resumable write, on this machine alone: it works though the storage is away. Nothing is visible under `key` before
   * `commit` has made it durable and whole. `partial` is how many bytes an interrupted earlier write left behind, to go on from there.
   */
  write(key: string): Promise<MediaWrite>;
  /** Length and time of an object, or undefined where there is none. */
  stat(key: string): Promise<MediaStat | undefined>;
  /** Bytes `start` to `end`, both inclusive, or all of them. Throws if there is no such object. */
  read(key: string, range?: { start: number; end: number }): Promise<Readable>;
  /** Removes an object; removing what is not there is no error. */
  remove(key: string): Promise<void>;
  /** Gives a local file with the object's bytes to `use`; a remote driver makes a temporary copy. */
  withLocalFile<T>(key: string, use: (path: string) => Promise<T>): Promise<T>;
  /** Every object, in the order of its key's bytes; those above `after` alone. */
  list(after?: string): AsyncIterable<MediaObject>;
  /**
   * Removes what writes that nobody goes on with left behind, where it was last touched before `before` (milliseconds
   * UTC), but for the keys that `isNeeded`. Resolves with how many files and uploads there were.
   */
  removeLeftovers(before: number, isNeeded?: IsNeeded): Promise<number>;
  /**
   * Makes the place that the objects are in this installation's own. Throws where it is another's: each would remove
   * the other's videos as orphans.
   */
  claim(installation: string): Promise<void>;
  /** Resolves if the storage can be written to; throws what is wrong otherwise. */
  check(): Promise<void>;
}

/** Whether somebody will go on with what was staged for a key. */
export type IsNeeded = (key: string) => Promise<boolean>;

export interface MediaStat {
  readonly bytes: number;
  /** Milliseconds UTC. */
  readonly modifiedAt: number;
}

/** Under the key is something else than was written, and it cannot be removed: what is written must go under another key. */
export class StoredWrong extends Error {}

export interface MediaObject extends MediaStat {
  readonly key: string;
}

export interface MediaWrite {
  /** Bytes already there from an interrupted write. */
  readonly partial: number;
  /** Appends the stream after truncating to `offset`; resolves with the length written so far. */
  append(stream: Readable, offset: number): Promise<number>;
  /** A local path of the bytes so far, for checking them before they count. */
  readonly path: string;
  /** What was noted of the bytes so far, by this process or one before it; undefined where nothing can be read. */
  readNote(): Promise<unknown>;
  /** Makes the bytes so far durable, and then a note of them beside: JSON, gone with the bytes once they are committed or dropped. */
  writeNote(note: object): Promise<void>;
  /**
   * Makes the object durable under its key, or under another, as a whole; where this throws it is not there, and may be tried again.
   * Throws `StoredWrong` where something else is there and stays.
   */
  commit(key?: string): Promise<MediaStat>;
  /** Drops what was written, and its note. */
  abandon(): Promise<void>;
}

/** What the container of a finished video says. */
export interface Probe {
  readonly container: string;
  /** Seconds. */
  readonly duration: number;
  readonly width: number;
  readonly height: number;
  readonly videoCodec: string;
  readonly audioCodec?: string;
  readonly fps: number;
}
