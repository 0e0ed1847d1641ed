/**
 * Reads any well-formed SUIT envelope of the base specification (draft-ietf-suit-manifest-37) for people: severed
 * members, several authentication blocks, integrated payloads, texts, the older algorithm numbers. It decides nothing:
 * a device reads only the strict profile of envelope.ts and suit.ts.
 */
import { type Code, demand, Refusal } from '../errors.ts';
import { unhex } from './bytes.ts';
import { type CborMap, decode, Tagged } from './cbor.ts';
import { readEnvelope, TAG_ENVELOPE } from './envelope.ts';
import { inspectManifest } from './inspect-manifest.ts';
import { attempt, bounded, type Inspection, type InspectOptions, type Outer } from './inspect-report.ts';
import { inspectAuthentication } from './inspect-signatures.ts';
import type { Sha256 } from './merkle.ts';
import { asBytes, asMap } from './shape.ts';
import { readManifest } from './suit.ts';
import { LENIENT } from './suit-commands.ts';

export { INSPECT_PART_BYTES_MAX, type Inspection, type InspectOptions, type SignatureRow } from './inspect-report.ts';

/** Room for integrated payloads of whole firmware images. */
export const INSPECT_BYTES_MAX = 16 * 1024 * 1024;

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
