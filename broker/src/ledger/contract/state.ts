/** What the contract keeps, as sorted JSON under composite keys. Byte strings are lower-case hex. */

import type { LedgerStub } from './stub.ts';
import type {
  DeviceView,
  GrantView,
  IssuedKeyView,
  PassportView,
  PersonView,
  ProductView,
  ReleaseView,
  RolloutView,
  TrialView,
} from './views.ts';

/** Which entry wrote a value last, and who said so: what `getHistory` shows. */
export interface Stamp {
  /** Leaf hash of the entry. */
  entry: string;
  action: string;
  /** Person name, `service`, `command`, `grant:` and its id, or a device id. */
  signer: string;
}

export type PersonState = PersonView &
  Stamp & {
    alg: number;
    kid: string;
  };
export type ProductState = ProductView & Stamp;
export type ReleaseState = ReleaseView & Stamp;
export type DeviceState = DeviceView & Stamp & { kid: string };
export type GrantState = GrantView & Stamp & { kid: string };
export type RolloutState = RolloutView & Stamp;
export type TrialState = TrialView & Stamp;
export type PassportState = PassportView & Stamp;
export type IssuedKeyState = IssuedKeyView & Stamp;
export type DownloadState = Stamp & { contentId: string; by: string; count: number };

/** The class's entry in the index, and which rollout it comes from. */
export interface IndexState extends Stamp {
  classId: string;
  releaseLeaf: string;
  sequence: number;
  rolloutDigest: string;
  rolloutSequence: number;
  state: number;
  floor: number;
  rolloutId: string;
  statementLeaf: string;
}

/** The last entry that changed an object, by the object's digest. */
export interface ObjectState {
  kind:
    | 'person'
    | 'devices'
    | 'device'
    | 'product'
    | 'release'
    | 'rollout'
    | 'trial'
    | 'passport'
    | 'identity'
    | 'grant';
  id: string;
  previous: string;
}

export interface RootState {
  version: number;
  /** The signed document. */
  bytes: string;
  leaf: string;
}

/** What a release's leaf and devices are made of. Written once, so it has no history. */
export interface BlobState {
  block1: string;
  manifest: string;
}

/** Whose key a kid is. */
export interface KeyState {
  kind: 'person' | 'device' | 'grant';
  id: string;
}

/** A device's newest word on one rollout; totals are counted from these. */
export interface AttemptState {
  outcome: 'trial' | 'updated' | 'reverted' | 'refused';
  code: string;
}

export interface Types {
  person: PersonState;
  product: ProductState;
  release: ReleaseState;
  manifest: BlobState;
  device: DeviceState;
  grant: GrantState;
  /** By grant and line: which device claimed it. */
  listed: { deviceId: string };
  /** By thumbprint of a certificate's key: which device it enrolled. */
  certified: { deviceId: string };
  rollout: RolloutState;
  index: IndexState;
  planned: { rolloutId: string };
  object: ObjectState;
  root: RootState;
  key: KeyState;
  attempt: AttemptState;
  download: DownloadState;
  trial: TrialState;
  passport: PassportState;
  /** By the digest of [role, name, epoch]. */
  identity: IssuedKeyState;
  /** By thumbprint: an implicit key whose point is on the record. */
  issued: { identity: string };
  /** By thumbprint of a centre's key: it has issued two points for this identity. */
  convicted: { identity: string };
}
export type Type = keyof Types;

/** Types whose former values nobody asks for: they would only double the index. */
export const WITHOUT_HISTORY: ReadonlySet<string> = new Set<Type>([
  'attempt',
  'object',
  'key',
  'manifest',
  'root',
  'planned',
  'issued',
  'convicted',
  'listed',
  'certified',
]);

export async function read<T extends Type>(s: LedgerStub, type: T, ...id: string[]): Promise<Types[T] | undefined> {
  const bytes = await s.getState(s.createCompositeKey(type, id));
  return bytes.length === 0 ? undefined : parse<T>(bytes);
}

export async function write<T extends Type>(s: LedgerStub, type: T, id: string[], value: Types[T]): Promise<void> {
  await s.putState(s.createCompositeKey(type, id), Buffer.from(sortedJson(value)));
}

export async function remove(s: LedgerStub, type: Type, ...id: string[]): Promise<void> {
  await s.deleteState(s.createCompositeKey(type, id));
}

export async function* scan<T extends Type>(s: LedgerStub, type: T, ...id: string[]): AsyncGenerator<Types[T]> {
  for await (const { value } of s.getStateByPartialCompositeKey(type, id)) yield parse<T>(value);
}

export function parse<T extends Type>(bytes: Uint8Array): Types[T] {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as Types[T];
}

/** JSON with sorted keys: every peer must write the same bytes. */
function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const record = value as Record<string, unknown>;
  let text = '';
  for (const key of Object.keys(record).sort()) {
    if (record[key] === undefined) continue;
    text += `${text ? ',' : ''}"${key}":${sortedJson(record[key])}`;
  }
  return `{${text}}`;
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

export function fromHex(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'hex');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** 32 zero bytes: no entry has changed the object yet, no release comes before. */
export const NONE = '0'.repeat(64);
