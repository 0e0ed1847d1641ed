/** The state of one channel as a peer keeps it: each key with the block and transaction that wrote it, and its history. */
export interface Version {
  block: number;
  tx: number;
}

export interface Row {
  key: string;
  value: Buffer;
  version: Version;
}

export interface Past {
  txId: string;
  value: Buffer | null;
  seconds: number;
}

export class VersionedState {
  readonly #rows = new Map<string, Row>();
  readonly #past = new Map<string, Past[]>();

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  /** From `start`, `end` excluded, in the order of the keys' bytes. */
  range(start: string, end: string): Row[] {
    const [from, to] = [Buffer.from(start), Buffer.from(end)];
    return [...this.#rows.values()]
      .map((row) => ({ row, bytes: Buffer.from(row.key) }))
      .filter(({ bytes }) => bytes.compare(from) >= 0 && bytes.compare(to) < 0)
      .sort((a, b) => a.bytes.compare(b.bytes))
      .map(({ row }) => row);
  }

  /** Newest first. */
  history(key: string): Past[] {
    return [...(this.#past.get(key) ?? [])].reverse();
  }

  write(key: string, value: Buffer | null, version: Version, past: Omit<Past, 'value'>): void {
    if (value) this.#rows.set(key, { key, value, version });
    else this.#rows.delete(key);
    this.#past.set(key, [...(this.#past.get(key) ?? []), { ...past, value }]);
  }
}
