/** The media row of an input. */
export interface InputRow {
  readonly id: string;
  readonly projectId: string;
  readonly kind: 'input';
  readonly storageKey: string;
  readonly contentType: string;
  readonly state: 'pending' | 'present';
  readonly bytes: number;
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly createdAt: number;
}

/** The part of the store that media rows of inputs need. */
export interface InputRows {
  putMedia(rows: readonly InputRow[]): Promise<void>;
  removeMedia(ids: readonly string[]): Promise<void>;
}
