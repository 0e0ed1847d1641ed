/** Public keys as files: PEM (SubjectPublicKeyInfo) or a COSE_Key, binary or as hex text. */
import { createPublicKey, ECDH } from 'node:crypto';
import { demand, Refusal } from '../src/errors.ts';
import { decode, type Value } from '../src/format/cbor.ts';
import { ALG_ED25519, ALG_ESP256, type PublicKey, readCoseKey } from '../src/format/cose.ts';
import { fromHexText } from '../src/format/inspect.ts';
import { asBytes, asMap } from '../src/format/shape.ts';
import { nodeVerifier } from './crypto.ts';

/** Far above any public key of ours. */
export const PUBLIC_KEY_FILE_BYTES_MAX = 16_384;

/**
 * Reads an Ed25519 or P-256 public key and checks it as at enrolment.
 * @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED for other curves, BAD_KEY
 */
export function readPublicKeyFile(bytes: Uint8Array): PublicKey {
  demand(bytes.length <= PUBLIC_KEY_FILE_BYTES_MAX, 'TOO_LARGE', `the key file has ${bytes.length} bytes`);
  const text = new TextDecoder('latin1').decode(bytes);
  const key = text.includes('-----BEGIN') ? readPem(text) : readCoseKeyFile(fromHexText(bytes));
  nodeVerifier().checkKey(key.alg, key.bytes);
  return key;
}

function readPem(text: string): PublicKey {
  demand(!text.includes('PRIVATE KEY'), 'MALFORMED', 'this is a private key: give its public key');
  const der = spkiOf(text);
  const ed25519 = after(der, '302a300506032b6570032100', 32);
  if (ed25519) return { alg: ALG_ED25519, bytes: ed25519 };
  const p256 = after(der, '3059301306072a8648ce3d020106082a8648ce3d030107034200', 65);
  demand(p256, 'UNSUPPORTED', 'the key is neither Ed25519 nor P-256');
  return { alg: ALG_ESP256, bytes: p256 };
}

function spkiOf(pem: string): Uint8Array {
  try {
    return createPublicKey(pem).export({ format: 'der', type: 'spki' });
  } catch (cause) {
    throw new Refusal('MALFORMED', 'the PEM file holds no public key', { cause });
  }
}

/** The raw key behind its fixed DER prefix (RFC 8410, RFC 5480). */
function after(der: Uint8Array, prefix: string, length: number): Uint8Array | undefined {
  const head = Buffer.from(prefix, 'hex');
  const fits = der.length === head.length + length && head.equals(der.subarray(0, head.length));
  return fits ? new Uint8Array(der.subarray(head.length)) : undefined;
}

function readCoseKeyFile(bytes: Uint8Array): PublicKey {
  const map = asMap(decode(bytes, { unsorted: true }), 'COSE_Key');
  demand(!map.has(-4), 'MALFORMED', 'this is a private key: give its public key');
  const compressed = map.get(-3);
  const key =
    typeof compressed === 'boolean'
      ? readCoseKey(
          new Map<number | string, Value>([...map, [-3, decompress(asBytes(map.get(-2), 'x', 32), compressed)]]),
        )
      : readCoseKey(map);
  const alg = map.get(3);
  const same = alg === undefined || alg === key.alg || alg === (key.alg === ALG_ED25519 ? -8 : -7);
  demand(same, 'UNSUPPORTED', 'the key is for another algorithm than its curve is used with here');
  return key;
}

/** The y coordinate of a P-256 point of which the file gives only the sign (RFC 9053 section 7.1.1). */
function decompress(x: Uint8Array, odd: boolean): Uint8Array {
  try {
    const point = ECDH.convertKey(Buffer.from([odd ? 3 : 2, ...x]), 'prime256v1', undefined, undefined, 'uncompressed');
    return new Uint8Array((point as Buffer).subarray(33));
  } catch (cause) {
    throw new Refusal('BAD_KEY', 'no point of P-256 has this x', { cause });
  }
}
