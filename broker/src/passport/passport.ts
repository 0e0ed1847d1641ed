/**
 * The passport of a device or of a class: a signed inventory of what it is made of, kept apart from it. It is an
 * operator's word; what the device says itself stands in its reports, and the two are compared.
 */
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  APPLICATION,
  asArray,
  asBytes,
  asText,
  asUint,
  checkStatement,
  decode,
  encode,
  equal,
  HASH_BYTES,
  type PublicKey,
  readStatement,
  type Sha256,
  type Signer,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import { readSubject, type Subject, subjectValue } from '../ledger/contract/passport-args.ts';

/** Sixteen components with long names have under 2 KB. */
export const PASSPORT_BYTES_MAX = 4_096;
export const PASSPORT_COMPONENTS_MAX = 16;
const VERSION = 1;

export interface Component {
  name: string;
  version: string;
  /** SHA-256 of its bytes. */
  digest: Uint8Array;
  bytes: number;
}

export interface Passport {
  /** The ledger's origin: a passport for one ledger means nothing on another. */
  origin: string;
  subject: Subject;
  serial: number;
  /** Seconds since the epoch; recorded, never a reason. */
  issuedAt: number;
  hardware: string;
  bootloader: string | null;
  /** Version of the update client. */
  sdk: string | null;
  /** In the order of their names, each once, the application among them. */
  components: Component[];
}

export function signPassport(sha256: Sha256, passport: Passport, signer: Signer): Promise<Uint8Array> {
  return signStatement(sha256, 'passport', passportValue(passport), signer);
}

/** @throws Refusal TOO_LARGE, MALFORMED, WRONG_TYPE, UNSUPPORTED, BAD_STATEMENT; nothing is proven yet */
export function readPassport(bytes: Uint8Array): Passport {
  demand(bytes.length <= PASSPORT_BYTES_MAX, 'TOO_LARGE', `a passport of ${bytes.length} bytes`);
  const { payload } = readStatement(bytes, 'passport');
  const value = decode(payload);
  const version = asArray(value, 'passport')[0];
  demand(version === VERSION, 'UNSUPPORTED', `a passport of version ${String(version)}, this is ${VERSION}`);
  const [, origin, subject, serial, issuedAt, hardware, bootloader, sdk, list] = asArray(value, 'passport', 9);
  const components = asArray(list, 'components').map(readComponent);
  const passport = {
    origin: asText(origin, 'origin', 64),
    subject: readSubject(subject),
    serial: asUint(serial, 'serial'),
    issuedAt: asUint(issuedAt, 'time'),
    hardware: asText(hardware, 'hardware revision', 32),
    bootloader: bootloader === null ? null : asText(bootloader, 'boot loader', 32),
    sdk: sdk === null ? null : asText(sdk, 'update client', 32),
    components,
  };
  const some = components.length >= 1 && components.length <= PASSPORT_COMPONENTS_MAX;
  demand(some, 'TOO_LARGE', `${components.length} components, 1 to ${PASSPORT_COMPONENTS_MAX} fit a passport`);
  const sorted = components.every(({ name }, i) => i === 0 || components[i - 1]!.name < name);
  demand(sorted, 'MALFORMED', 'components stand in the order of their names, each once');
  const named = components.some(({ name }) => name === APPLICATION);
  demand(named, 'BAD_STATEMENT', `a passport names the component ${APPLICATION}`);
  // Written again and compared: nothing unread hides in signed bytes.
  demand(equal(encode(passportValue(passport)), payload), 'MALFORMED', 'the passport has another form');
  return passport;
}

/** @throws Refusal those of {@link readPassport}, BAD_SIGNATURE */
export function openPassport(verifier: Verifier, bytes: Uint8Array, key: PublicKey): Passport {
  const passport = readPassport(bytes);
  checkStatement(verifier, readStatement(bytes, 'passport'), key);
  return passport;
}

export function applicationOf({ components }: Passport): Component {
  return components.find(({ name }) => name === APPLICATION)!;
}

function passportValue(p: Passport): Value {
  const components = [...p.components].sort((a, b) => (a.name < b.name ? -1 : 1));
  const rows = components.map(({ name, version, digest, bytes }): Value => [name, version, digest, bytes]);
  return [VERSION, p.origin, subjectValue(p.subject), p.serial, p.issuedAt, p.hardware, p.bootloader, p.sdk, rows];
}

function readComponent(value: Value): Component {
  const [name, version, digest, bytes] = asArray(value, 'component', 4);
  return {
    name: asText(name, 'component', 32),
    version: asText(version, 'version', 32),
    digest: asBytes(digest, 'digest', HASH_BYTES),
    bytes: asUint(bytes, 'size', 0xffffffff),
  };
}
