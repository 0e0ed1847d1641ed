/**
 * Reads any well-formed SUIT envelope of the base specification (draft-ietf-suit-manifest-37) for people: severed
 * members, several authentication blocks, integrated payloads, texts, the older algorithm numbers. It decides nothing:
 * a device reads only the strict profile of envelope.ts and suit.ts.
 */
import { type Code, demand, Refusal } from '../errors.ts';
import type { Verifier } from '../ports.ts';
import { equal, hex, unhex } from './bytes.ts';
import { type CborMap, decode, encode, Tagged, type Value } from './cbor.ts';
import {
  ALG_ED25519,
  ALG_ESP256,
  HEADER_ALG,
  HEADER_KID,
  KID_BYTES,
  kidOf,
  type PublicKey,
  toBeSigned,
} from './cose.ts';
import { HEADER_CONFIRMED, HEADER_PREVIOUS, readEnvelope, TAG_ENVELOPE } from './envelope.ts';
import type { Sha256 } from './merkle.ts';
import { asArray, asBytes, asInt, asMap, asText, asUint, shown, toPlain } from './shape.ts';
import { readManifest, SUIT_SHA256 } from './suit.ts';
import { type Command, expandSequence, LENIENT } from './suit-commands.ts';
import { MANIFEST_KEYS, SECTIONS, SEVERABLE, SHARED_SECTION, textName } from './suit-labels.ts';

/** Room for integrated payloads of whole firmware images. */
export const INSPECT_BYTES_MAX = 16 * 1024 * 1024;
/** The manifest, the authentication wrapper and each severed member: far above any real one, small to hold decoded. */
export const INSPECT_PART_BYTES_MAX = 65_536;
const URI_CHARS_MAX = 2048;
const BLOCKS_MAX = 16;

const TAG_SIGN1 = 18;
const TAG_SIGN = 98;
const TAG_MAC0 = 17;
const TAG_MAC = 97;
const HEADER_CRIT = 2;
/** Headers a critical list may name: those that {@link inspectEnvelope} shows or that carry no rule of their own. */
const UNDERSTOOD = new Set<Value>([HEADER_ALG, HEADER_CRIT, 3, HEADER_KID, 15, 16, HEADER_CONFIRMED, HEADER_PREVIOUS]);
/** The deprecated numbers of the same two signature schemes (RFC 9864 section 4.2), for files made before it. */
const SAME_SCHEME: ReadonlyMap<Value, number> = new Map([
  [ALG_ED25519, ALG_ED25519],
  [-8, ALG_ED25519],
  [ALG_ESP256, ALG_ESP256],
  [-7, ALG_ESP256],
]);

export interface InspectOptions {
  sha256: Sha256;
  /** Both are needed to check signatures. */
  verifier?: Verifier;
  key?: PublicKey;
}

export interface SignatureRow {
  /** CBOR tag: 18 Sign1, 98 Sign (one row per signer), 17 Mac0, 97 Mac. */
  tag: number;
  /** COSE algorithm of the protected header; null where there is none. */
  alg: number | string | null;
  /** Key id in hex. */
  kid: string | null;
  /** What the protected header claims to be: `collection` (-65538) or `distribution` (-65537). */
  role: 'collection' | 'distribution' | null;
  /** null where no key was given, the block names another key, or it is no Sign1. */
  valid: boolean | null;
}

export interface Inspection {
  /** True when the manifest and every severed member that is present have the digests that are signed. */
  digestOk: boolean;
  sequence: number | null;
  /** Component identifiers, each a list of hex strings. */
  components: string[][];
  /** By section: `shared-sequence`, `payload-fetch`, `install`, `validate`, `load`, `invoke` … */
  commands: Record<string, Command[]>;
  signatures: SignatureRow[];
  /** Code of the first reason why a recipient of the base specification refuses it; null where there is none. */
  refusal: Code | null;
  /** The same in words. */
  refusalText: string | null;
  /** Code with which a Countersign device refuses its shape, before any signature; null where it reads it. */
  profileRefusal: Code | null;
  /** SUIT_Digest of the manifest: algorithm and hex. */
  digest: { alg: number; digest: string } | null;
  /** Names of members that are severed and absent. */
  severed: string[];
  payloads: { name: string; bytes: number }[];
  text: unknown;
  referenceUri: string | null;
}

/**
 * @param bytes the envelope, with or without tag 107
 * @throws Refusal MALFORMED when this is no envelope at all, TOO_LARGE
 */
export function inspectEnvelope(bytes: Uint8Array, options: InspectOptions): Inspection {
  const outer = readOuter(bytes);
  const report = emptyReport(outer, profileRefusal(bytes, options.sha256));
  const refuse = (refusal: Refusal) => {
    report.refusal ??= refusal.code;
    report.refusalText ??= refusal.message;
  };
  attempt(refuse, () => inspectAuthentication(report, outer, options, refuse));
  attempt(refuse, () => inspectManifest(report, outer, options.sha256, refuse));
  return report;
}

/** Files of envelopes and keys may be hex text, as drafts print them. Bytes of any other kind come back as they are. */
export function fromHexText(bytes: Uint8Array): Uint8Array {
  let text = '';
  for (const byte of bytes) {
    if (byte > 0x66) return bytes;
    if (byte > 0x20) text += String.fromCharCode(byte);
  }
  return (text.length > 0 && unhex(text)) || bytes;
}

interface Outer {
  authentication: Uint8Array;
  manifest: Uint8Array;
  members: Map<number, Value>;
  payloads: { name: string; bytes: number }[];
}

function readOuter(bytes: Uint8Array): Outer {
  demand(bytes.length <= INSPECT_BYTES_MAX, 'TOO_LARGE', `the envelope has ${bytes.length} bytes`);
  const value = decode(bytes, LENIENT);
  const map = asMap(value instanceof Tagged && value.tag === TAG_ENVELOPE ? value.value : value, 'envelope');
  const outer: Outer = { authentication: part(map, 2), manifest: part(map, 3), members: new Map(), payloads: [] };
  for (const [key, item] of map) {
    if (typeof key === 'string') outer.payloads.push({ name: key, bytes: asBytes(item, 'integrated payload').length });
    else if (key !== 2 && key !== 3) outer.members.set(key, item);
  }
  return outer;
}

function part(map: CborMap, key: number): Uint8Array {
  return bounded(asBytes(map.get(key), `envelope member ${key}`), `envelope member ${key}`);
}

function bounded(bytes: Uint8Array, what: string): Uint8Array {
  demand(bytes.length <= INSPECT_PART_BYTES_MAX, 'TOO_LARGE', `${what} has ${bytes.length} bytes`);
  return bytes;
}

function profileRefusal(bytes: Uint8Array, sha256: Sha256): Code | null {
  try {
    readManifest(readEnvelope(sha256, bytes).manifest);
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}

function emptyReport(outer: Outer, profile: Code | null): Inspection {
  return {
    digestOk: false,
    sequence: null,
    components: [],
    commands: {},
    signatures: [],
    refusal: null,
    refusalText: null,
    profileRefusal: profile,
    digest: null,
    severed: [],
    payloads: outer.payloads,
    text: null,
    referenceUri: null,
  };
}

type Refuse = (refusal: Refusal) => void;

/** One damaged part must not hide the others. */
function attempt(refuse: Refuse, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(error);
  }
}

function inspectAuthentication(report: Inspection, outer: Outer, options: InspectOptions, refuse: Refuse): void {
  const [digest, ...blocks] = asArray(decode(outer.authentication, LENIENT), 'authentication');
  const payload = asBytes(digest, 'SUIT_Digest');
  const suitDigest = readDigest(decode(payload, LENIENT), 'SUIT_Digest');
  report.digest = { alg: suitDigest.alg, digest: hex(suitDigest.digest) };
  report.digestOk = digestHolds(options.sha256, suitDigest, outer.manifest, refuse);
  if (!report.digestOk) refuse(new Refusal('MALFORMED', 'the manifest does not have the digest that is signed'));
  demand(blocks.length <= BLOCKS_MAX, 'TOO_LARGE', `${blocks.length} authentication blocks`);
  for (const block of blocks) {
    attempt(refuse, () => void report.signatures.push(...inspectBlock(block, payload, options, refuse)));
  }
}

interface Digest {
  alg: number;
  digest: Uint8Array;
}

function readDigest(value: Value | undefined, what: string): Digest {
  const [alg, digest] = asArray(value, what, 2);
  return { alg: asInt(alg, 'digest algorithm'), digest: asBytes(digest, what) };
}

/** A digest covers a member together with the head of the byte string that carries it. */
function digestHolds(sha256: Sha256, expected: Digest, member: Uint8Array, refuse: Refuse): boolean {
  if (expected.alg !== SUIT_SHA256) {
    refuse(new Refusal('UNSUPPORTED', `digest algorithm ${expected.alg} is not SHA-256`));
    return false;
  }
  return equal(sha256(encode(member)), expected.digest);
}

function inspectBlock(block: Value, payload: Uint8Array, options: InspectOptions, refuse: Refuse): SignatureRow[] {
  const value = decode(asBytes(block, 'authentication block'), LENIENT);
  demand(value instanceof Tagged, 'MALFORMED', 'an authentication block has no tag');
  const { tag } = value;
  const sizes = new Map([
    [TAG_SIGN1, 4],
    [TAG_SIGN, 4],
    [TAG_MAC0, 4],
    [TAG_MAC, 5],
  ]);
  demand(sizes.has(tag), 'UNSUPPORTED', `tag ${tag} is no COSE signature or MAC`);
  const items = asArray(value.value, 'authentication block', sizes.get(tag));
  const headers = readHeaders(items, refuse);
  demand(items[2] === null, 'MALFORMED', 'the payload of an authentication block is not detached');
  if (tag === TAG_SIGN) {
    const signers = asArray(items[3], 'signers');
    return signers.map((signer) => row(tag, readHeaders(asArray(signer, 'signer', 3), refuse), null));
  }
  const proof = asBytes(items[3], 'signature');
  return [row(tag, headers, tag === TAG_SIGN1 ? isValid(headers, proof, payload, options) : null)];
}

interface Headers {
  protectedBytes: Uint8Array;
  protected: CborMap;
  kid: Uint8Array | null;
  understood: boolean;
}

function readHeaders(items: Value[], refuse: Refuse): Headers {
  const protectedBytes = asBytes(items[0], 'protected header');
  const map = protectedBytes.length === 0 ? new Map() : asMap(decode(protectedBytes, LENIENT), 'protected header');
  const unprotected = asMap(items[1], 'unprotected header');
  const kid = map.get(HEADER_KID) ?? unprotected.get(HEADER_KID);
  const critical = map.has(HEADER_CRIT) ? asArray(map.get(HEADER_CRIT), 'critical headers') : [];
  const understood = critical.every((label) => UNDERSTOOD.has(label));
  if (!understood) refuse(new Refusal('UNSUPPORTED', 'a critical header is unknown'));
  return { protectedBytes, protected: map, kid: kid === undefined ? null : asBytes(kid, 'kid'), understood };
}

function row(tag: number, headers: Headers, valid: boolean | null): SignatureRow {
  const alg = headers.protected.get(HEADER_ALG);
  const claims = (label: number) => headers.protected.has(label);
  return {
    tag,
    alg: typeof alg === 'number' || typeof alg === 'string' ? alg : null,
    kid: headers.kid && hex(headers.kid),
    role: claims(HEADER_PREVIOUS) ? 'collection' : claims(HEADER_CONFIRMED) ? 'distribution' : null,
    valid,
  };
}

function isValid(h: Headers, signature: Uint8Array, payload: Uint8Array, options: InspectOptions): boolean | null {
  const { verifier, key, sha256 } = options;
  if (!verifier || !key) return null;
  const scheme = SAME_SCHEME.get(h.protected.get(HEADER_ALG) ?? null);
  const message = toBeSigned(h.protectedBytes, new Uint8Array(), payload);
  const holds = h.understood && scheme === key.alg && verifier.verify(key.alg, key.bytes, message, signature);
  const ofAnother = h.kid?.length === KID_BYTES && !equal(h.kid, kidOf(sha256, key));
  return holds || (ofAnother ? null : false);
}

function inspectManifest(report: Inspection, outer: Outer, sha256: Sha256, refuse: Refuse): void {
  const map = asMap(decode(outer.manifest, LENIENT), 'manifest');
  demand(map.get(1) === 1, 'UNSUPPORTED', `manifest version ${shown(map.get(1))} is not 1`);
  for (const key of map.keys()) {
    const known = typeof key === 'number' && MANIFEST_KEYS.has(key);
    if (!known) refuse(new Refusal('UNSUPPORTED', `manifest member ${shown(key)} is unknown`));
  }
  report.sequence = asUint(map.get(2), 'sequence');
  if (map.has(4)) report.referenceUri = asText(map.get(4), 'reference URI', URI_CHARS_MAX);
  attempt(refuse, () => inspectCommon(report, map, refuse));
  const members = resolveMembers(report, map, outer, sha256, refuse);
  for (const [key, bytes] of members) {
    const section = SECTIONS.get(key);
    if (section) attempt(refuse, () => inspectSection(report, section, bytes, refuse));
    else if (key === 23) attempt(refuse, () => void (report.text = plainText(bytes)));
  }
}

function inspectCommon(report: Inspection, manifest: CborMap, refuse: Refuse): void {
  const common = asMap(decode(asBytes(manifest.get(3), 'common'), LENIENT), 'common');
  for (const key of common.keys()) {
    const known = key === 1 || key === 2 || key === 4;
    if (!known) refuse(new Refusal('UNSUPPORTED', `common member ${shown(key)} is unknown`));
  }
  report.components = asArray(common.get(2), 'components').map((component) =>
    asArray(component, 'component').map((item) => hex(asBytes(item, 'component'))),
  );
  demand(report.components.length > 0, 'MALFORMED', 'a manifest without components');
  if (common.has(4)) inspectSection(report, SHARED_SECTION, asBytes(common.get(4), SHARED_SECTION), refuse);
}

function inspectSection(report: Inspection, section: string, bytes: Uint8Array, refuse: Refuse): void {
  const context = { components: report.components.length, shared: section === SHARED_SECTION, refuse };
  report.commands[section] = expandSequence(bytes, context);
}

/** Members in place, and severed ones that the envelope carries with the digest that the manifest names. */
function resolveMembers(
  report: Inspection,
  manifest: CborMap,
  outer: Outer,
  sha256: Sha256,
  refuse: Refuse,
): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (const [key, value] of manifest) {
    if (typeof key !== 'number' || !(SECTIONS.has(key) || key === 14 || key === 23)) continue;
    attempt(refuse, () => {
      const bytes = Array.isArray(value) ? severedMember(report, key, value, outer, sha256, refuse) : value;
      if (bytes !== undefined) found.set(key, asBytes(bytes, `manifest member ${key}`));
    });
  }
  for (const key of outer.members.keys()) {
    const severed = Array.isArray(manifest.get(key));
    if (!severed) refuse(new Refusal('MALFORMED', `envelope member ${key} is not one that the manifest severs`));
  }
  return found;
}

function severedMember(
  report: Inspection,
  key: number,
  digest: Value,
  outer: Outer,
  sha256: Sha256,
  refuse: Refuse,
): Uint8Array | undefined {
  const name = SECTIONS.get(key) ?? (key === 23 ? 'text' : 'coswid');
  demand(SEVERABLE.has(key), 'MALFORMED', `${name} may not be severed`);
  const expected = readDigest(digest, `digest of ${name}`);
  if (!outer.members.has(key)) {
    report.severed.push(name);
    return undefined;
  }
  const bytes = bounded(asBytes(outer.members.get(key), name), name);
  if (digestHolds(sha256, expected, bytes, refuse)) return bytes;
  report.digestOk = false;
  throw new Refusal('MALFORMED', `${name} does not have the digest that is signed`);
}

function plainText(bytes: Uint8Array): unknown {
  const languages = asMap(decode(bytes, LENIENT), 'text');
  return Object.fromEntries(
    [...languages].map(([language, texts]) => [String(language), namedTexts(asMap(texts, 'text'), false)]),
  );
}

function namedTexts(texts: CborMap, ofComponent: boolean): Record<string, unknown> {
  return Object.fromEntries(
    [...texts].map(([label, value]) => [
      textName(label, ofComponent),
      value instanceof Map ? namedTexts(value, true) : toPlain(value),
    ]),
  );
}
