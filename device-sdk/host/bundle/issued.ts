/**
 * The `issueKey` entries of a release whose signers have implicit keys, as a bundle carries them: each with its place in the
 * tree that the announcement's own head signs, so that no second head and no proof of consistency is needed.
 */
import { demand } from '../../src/errors.ts';
import { ISSUED_BYTES_MAX } from '../../src/fetch/issued.ts';
import { readAnnouncement } from '../../src/format/announcement.ts';
import { equal } from '../../src/format/bytes.ts';
import type { Value } from '../../src/format/cbor.ts';
import { isImplicit, thumbprint } from '../../src/format/cose.ts';
import type { Envelope } from '../../src/format/envelope.ts';
import { encodeReceipt, readPath, readReceipt } from '../../src/format/head.ts';
import { IMPLICIT_ROLES } from '../../src/format/implicit.ts';
import { HASH_BYTES, leafHash } from '../../src/format/merkle.ts';
import type { TrustRoot } from '../../src/format/root.ts';
import { asArray, asBytes, asUint } from '../../src/format/shape.ts';
import type { Verifier } from '../../src/ports.ts';
import { verifyReceipt } from '../../src/verify/head.ts';
import { keyFor } from '../../src/verify/root.ts';
import type { Proven } from '../../src/verify/types.ts';

export interface BundledIssue {
  /** Of the implicit key. */
  thumbprint: Uint8Array;
  /** Its `issueKey`, as the ledger has it. */
  entry: Uint8Array;
  leafIndex: number;
  /** From the entry's leaf to the root of the announcement's head. */
  path: Uint8Array[];
}

export function issuedValue(issued: readonly BundledIssue[]): Value {
  return issued.map((item): Value => [item.thumbprint, item.entry, item.leafIndex, [...item.path]]);
}

/** One of each signer at most, none twice; where nobody needs one the element is not there. @throws Refusal MALFORMED, TOO_LARGE */
export function readIssued(value: Value | undefined, announcement: Uint8Array): BundledIssue[] {
  const items = asArray(value, 'issued keys');
  const some = items.length > 0 && items.length <= IMPLICIT_ROLES.length;
  demand(some, 'MALFORMED', `${items.length} issued keys`);
  const issued = items.map((item): BundledIssue => {
    const [print, entry, leafIndex, path] = asArray(item, 'issued key', 4);
    const bytes = asBytes(entry, 'entry');
    demand(bytes.length <= ISSUED_BYTES_MAX, 'TOO_LARGE', `an entry of ${bytes.length} bytes`);
    return {
      thumbprint: asBytes(print, 'thumbprint', HASH_BYTES),
      entry: bytes,
      leafIndex: asUint(leafIndex, 'leaf index'),
      path: readPath(path),
    };
  });
  const twice = issued[1] !== undefined && equal(issued[0]!.thumbprint, issued[1].thumbprint);
  demand(!twice, 'MALFORMED', 'an issued key is there twice');
  // Their receipts are made with its head, later and for whoever asks.
  announcedHead(announcement);
  return issued;
}

/** The receipt that a device asks for. @param announcement the bundle's own, which names the head */
export function receiptOf({ leafIndex, path }: BundledIssue, announcement: Uint8Array): Uint8Array {
  return encodeReceipt(announcedHead(announcement), leafIndex, path);
}

function announcedHead(announcement: Uint8Array) {
  return readReceipt(readAnnouncement(announcement).receipt).signed;
}

/** Thumbprints of the implicit keys that signed a release, the first signer's first; none where both are listed themselves. */
export function implicitSigners(verifier: Verifier, root: TrustRoot, { block1, block2 }: Envelope): Uint8Array[] {
  const kids = { collection: block1.kid, distribution: block2.kid };
  return IMPLICIT_ROLES.flatMap((role) => {
    // Revocation was looked at where the signature was.
    const key = keyFor(verifier, root, role, kids[role], 0);
    return isImplicit(key) ? [thumbprint(verifier.sha256, key)] : [];
  });
}

/**
 * As a device does it (fetch/issued.ts): every implicit key of the release is on the record, and no other entry is here.
 * @throws Refusal NO_RECEIPT, REVOKED (the centre was, before the entry); MALFORMED
 */
export function checkIssued(
  verifier: Verifier,
  root: TrustRoot,
  { envelope }: Proven,
  { issued = [], announcement }: { issued?: readonly BundledIssue[] | undefined; announcement: Uint8Array },
): void {
  const needed = implicitSigners(verifier, root, envelope);
  demand(issued.length <= needed.length, 'MALFORMED', 'an issueKey entry of no signer of the release');
  for (const [i, print] of needed.entries()) {
    const item = issued[i];
    demand(item && equal(item.thumbprint, print), 'NO_RECEIPT', 'the issueKey entry of a signer is not here');
    const is = verifier.implicit?.isIssue(item.entry, print, root, item.leafIndex);
    demand(is, 'NO_RECEIPT', 'the entry is not the issueKey of this key');
    verifyReceipt(verifier, root, readReceipt(receiptOf(item, announcement)), leafHash(verifier.sha256, item.entry));
  }
}
