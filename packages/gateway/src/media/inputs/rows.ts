/** The media row of bytes that were taken in from a caller. */
export interface StagedRow {
  readonly id: string;
  readonly projectId: string;
  readonly kind: 'input' | 'file';
  readonly storageKey: string;
  readonly contentType: string;
  readonly state: 'pending' | 'present';
  readonly bytes: number;
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly createdAt: number;
}

/** The media row of an input. */
export interface InputRow extends StagedRow {
  readonly kind: 'input';
}

/** The media row of a file that was uploaded to be used as an input. */
export interface FileRow extends StagedRow {
  readonly kind: 'file';
  /** What the caller calls it. */
  readonly name?: string;
  readonly purpose?: string;
  readonly expiresAt?: number;
}

/** The part of the store that these rows need. */
export interface StagedRows<Row extends StagedRow> {
  putMedia(rows: readonly Row[]): Promise<void>;
  removeMedia(ids: readonly string[]): Promise<void>;
}

/** The part of the store that files need. */
export interface FileRows extends StagedRows<FileRow> {
  /** Writes nothing and resolves with false if the files of the project would have more than `mostBytes`. */
  putFile(file: FileRow, mostBytes: number): Promise<boolean>;
}

export type InputRows = StagedRows<InputRow>;
