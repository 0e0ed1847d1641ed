/**
 * Makes test/vectors/format/*.json and the listings in docs/FORMAT.md. Run from the root after a build:
 *   node test/dist/vectors/make-format.js && npx biome check --write test/vectors/format
 * It is deterministic: the keys come from fixed seeds and Ed25519 has no randomness. Refused rows state their code here;
 * the script fails where a reader says otherwise.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { hex, kidOf, publicKeyOf } from '@countersign/device-sdk/format';
import { bytesOf, makeWorld, sha256, signers } from '../support/world.ts';
import { accepted, type FormatVector, refused } from './format-vector.ts';
import { enrolmentVectors } from './make-enrolment.ts';
import { announcementVectors, headVectors, rootVectors, statementVectors } from './make-log.ts';
import { envelopeVectors, manifestVectors } from './make-manifests.ts';
import { provisionVectors, requestVectors } from './make-messages.ts';
import { bundleVectors, localVectors } from './make-near.ts';
import { manifestListing } from './manifest-notes.ts';

/** All vector files by name, without `.json`. */
export async function formatVectors(): Promise<Record<string, FormatVector[]>> {
  const w = await makeWorld();
  return {
    cbor: cborVectors(),
    manifest: manifestVectors(),
    envelope: envelopeVectors(w),
    head: headVectors(w),
    announcement: announcementVectors(w),
    statements: await statementVectors(w),
    root: rootVectors(w),
    requests: requestVectors(w),
    provision: provisionVectors(w),
    local: localVectors(),
    bundle: bundleVectors(w),
    enrolment: await enrolmentVectors(),
  };
}

/** The keys of the vectors. The seeds are public: never use them for anything else. */
export function keyVectors(): { name: string; seed: string; publicKey: string; kid: string }[] {
  return Object.entries(signers).map(([name, signer]) => ({
    name,
    seed: hex(bytesOf(`key ${name}`)),
    publicKey: hex(signer.publicKey),
    kid: hex(kidOf(sha256, publicKeyOf(signer))),
  }));
}

function cborVectors(): FormatVector[] {
  const good: [string, string, string][] = [
    ['shortest-24', '24 is the first integer with a byte of its own', '1818'],
    ['largest', '2^53 - 1 is the largest integer', '1b001fffffffffffff'],
    ['smallest', '-(2^53 - 1) is the smallest', '3b001ffffffffffffe'],
    ['sorted-map', 'keys in the order of their encodings: 1, 25, -1, "a"', 'a401021819032004616105'],
  ];
  const bad: [string, string, string][] = [
    ['long-integer', '23 in two bytes', '1817'],
    ['beyond-2-53', '2^53', '1b0020000000000000'],
    ['below-2-53', '-2^53', '3b001fffffffffffff'],
    ['long-length', 'a byte string of 4 with its length in two bytes', '580401020304'],
    ['indefinite', 'an array of indefinite length', '9f01ff'],
    ['unsorted-map', 'key 2 before key 1', 'a202000100'],
    ['double-key', 'key 1 twice', 'a201000100'],
    ['bytes-key', 'a byte string as key', 'a1410100'],
    ['float', '1.0', 'f93c00'],
    ['undefined', 'undefined', 'f7'],
    ['trailing', 'a second item', '0000'],
    ['false-count', '2^53 - 1 elements in no bytes', '9b001fffffffffffff'],
    ['not-utf8', 'a text of a lone continuation byte', '6180'],
    ['surrogate', 'a text with half a surrogate pair', '63eda080'],
    ['too-deep', '16 arrays around an integer', `${'81'.repeat(16)}00`],
  ];
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
  return [
    ...good.map(([id, why, input]) => accepted('cbor', `cbor-${id}`, why, bytes(input))),
    ...bad.map(([id, why, input]) => refused('cbor', `cbor-${id}`, why, 'MALFORMED', bytes(input))),
  ];
}

export const LISTING = /(<!-- listing: [^\n]*-->\n```text\n)([\s\S]*?)(\n```)/;

async function main(): Promise<void> {
  const folder = new URL('../../vectors/format/', import.meta.url);
  const files: Record<string, unknown> = { ...(await formatVectors()), keys: keyVectors() };
  for (const [name, rows] of Object.entries(files)) {
    writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(rows, null, 2)}\n`);
  }
  const doc = new URL('../../../docs/FORMAT.md', import.meta.url);
  writeFileSync(
    doc,
    readFileSync(doc, 'utf8').replace(LISTING, (_, head, __, tail) => head + manifestListing() + tail),
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
