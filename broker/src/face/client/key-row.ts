/** One key of an installation, as `keys list` shows it, and what each place says of one. */
import type { PublicKey } from '@countersign/device-sdk/format';
import type { KeyKind } from './key-kinds.ts';

/** `next`: made, and named by nothing yet. `retired`: an earlier trust root named it. */
export type KeyState = 'active' | 'next' | 'proposed' | 'retired' | 'revoked' | 'used up' | 'unknown';

export interface KeyRow {
  kind: KeyKind;
  /** Of a person; the id of a device or grant; of a key that a centre issued the server's name at the centre. */
  name: string | null;
  /** Of an issued key: which one of that name, and key id of the centre; null for every other key. */
  epoch: number | null;
  centre: string | null;
  alg: number | null;
  /** Hex; null for an issued key, whose thumbprint is what names it. */
  publicKey: string | null;
  thumbprint: string;
  kid: string | null;
  state: KeyState;
  /** What names it: trust root versions, or the ledger. */
  namedBy: string | null;
  /** Key file, and how the secret is kept in it; null for keys that are elsewhere. */
  file: string | null;
  kept: 'open' | 'sealed' | 'command' | 'credential' | null;
  sealed: boolean;
  /** The newest thing it was seen to have signed; null with the reason in `lastUsedFrom`. */
  lastUsed: { entry: number | null; time: number } | null;
  /** How that is known. */
  lastUsedFrom: string;
  /** What would not work without it. */
  without: string;
}

/** For whom a centre issued a key, beside role and name. */
export type Issued = { [K in 'epoch' | 'centre']: NonNullable<KeyRow[K]> };

/** A key that lies in the folder. */
export interface KeyInFolder extends Pick<KeyRow, 'kind' | 'name' | 'file' | 'kept'> {
  key: PublicKey;
  issued?: Issued | undefined;
}

/** What one place says of one key. */
export interface Finding extends Pick<KeyRow, 'kind' | 'name'> {
  key?: PublicKey;
  /** Where there is no key beside it. */
  thumbprint?: string;
  issued?: Issued | undefined;
  state: KeyState;
  namedBy: string | null;
  file?: string | null;
  kept?: KeyRow['kept'];
}
