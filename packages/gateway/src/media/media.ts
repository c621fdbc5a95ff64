import type { Readable } from 'node:stream';

/** Where video and image bytes live. Keys are ours (`video/<id>.mp4`), never a caller's words. */
export interface MediaStorage {
  /**
   * Opens a resumable write. Nothing is visible under `key` before `commit` has made it durable and whole.
   * `partial` is how many bytes an interrupted earlier write left behind, to go on from there.
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
  /** Resolves if the storage can be written to; throws what is wrong otherwise. */
  check(): Promise<void>;
}

export interface MediaStat {
  readonly bytes: number;
  /** Milliseconds UTC. */
  readonly modifiedAt: number;
}

export interface MediaWrite {
  /** Bytes already there from an interrupted write. */
  readonly partial: number;
  /** Appends the stream after truncating to `offset`; resolves with the length written so far. */
  append(stream: Readable, offset: number): Promise<number>;
  /** A local path of the bytes so far, for checking them before they count. */
  readonly path: string;
  /** Makes the object durable under its key: fsync, rename, fsync of the folder. */
  commit(): Promise<MediaStat>;
  /** Drops what was written. */
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
