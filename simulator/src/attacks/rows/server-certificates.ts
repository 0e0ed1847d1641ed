/** Row 24: certificates in another form than the one that is read. Most are such as their authority would have to sign. */
import { generateKeyPairSync } from 'node:crypto';
import { CERTIFICATE_BYTES_MAX } from '@countersign/broker/ledger/contract/certificate';
import type { Code } from '@countersign/device-sdk';
import { concat, unhex } from '@countersign/device-sdk/format';
import { certificateKey, certifiedEntry } from '@countersign/device-sdk/host/certified';
import type { Variant } from '../attack.ts';
import { Authority, der, pairOf, type Wish } from '../server/certificates.ts';
import { authorityKey, claimOf, granted, newAuthorityGrant } from '../server/grants.ts';
import { newSigner, sha256 } from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';

const [INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE] = [0x02, 0x03, 0x04, 0x30];
const NO_BITS_UNUSED = Uint8Array.of(0);
const ECDSA_WITH_SHA384 = unhex('300a06082a8648ce3d040303')!;
const ED25519 = unhex('300506032b6570')!;

const [FACTORY, EDWARDS] = [new Authority('factory'), new Authority('edwards', 'Ed25519')];

interface Forgery extends Wish {
  /** What becomes of it when it is signed. */
  whole?: (certificate: Uint8Array) => Uint8Array;
  by?: Authority;
}

/** The key signs its claim as it should; its certificate is another than the one it should be. */
function certificate(how: string, expect: Code, forgery: Forgery): Variant {
  const { by = FACTORY, whole = (bytes) => bytes, ...wish } = forgery;
  return contract(`claims by a certificate ${how}`, expect, async (world) => {
    const { grantId } = await granted(world, newAuthorityGrant(by));
    const pair = pairOf('P-256');
    const { cert, key } = by.issue({ pair });
    const forged = { ...certificateKey(cert, key), certificate: whole(by.issue({ ...wish, pair }).der) };
    const entry = await certifiedEntry({ sha256 }, forged, newSigner(), claimOf(grantId), authorityKey(by));
    return () => world.ledger.submit(entry);
  });
}

/** With another signature. @param change of what is in the BIT STRING, which has under 128 bytes */
const signedBy = (change: (content: Uint8Array) => Uint8Array): Wish => ({
  parts: ([tbs, algorithm, bits]) => [tbs!, algorithm!, change(bits!.subarray(2))],
});

/** ECDSA's r with a zero that it does not need, or without the one that it does. */
function withOtherNumber(content: Uint8Array): Uint8Array {
  const pair = content.subarray(3);
  const [r, s] = [pair.subarray(2, 2 + pair[1]!), pair.subarray(2 + pair[1]!)];
  const other = r[0] === 0 ? r.subarray(1) : concat(Uint8Array.of(0), r);
  return der(BIT_STRING, NO_BITS_UNUSED, der(SEQUENCE, der(INTEGER, other), s));
}

const keyThatSignsNothing = () => generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' });

export const certificateRows: Variant[] = [
  certificate('that is too large', 'TOO_LARGE', { name: 'x'.repeat(CERTIFICATE_BYTES_MAX) }),
  certificate('that is signed over another hash', 'UNSUPPORTED', {
    fields: (fields) => fields.with(2, ECDSA_WITH_SHA384),
    parts: (parts) => parts.with(1, ECDSA_WITH_SHA384),
  }),
  certificate('that names two algorithms', 'MALFORMED', { fields: (fields) => fields.with(2, ED25519) }),
  certificate('for a key that signs nothing', 'UNSUPPORTED', {
    fields: (fields) => fields.with(6, keyThatSignsNothing()),
  }),
  certificate(
    'whose signature ends within a byte',
    'MALFORMED',
    signedBy((content) => der(BIT_STRING, Uint8Array.of(1), content.subarray(1))),
  ),
  certificate('whose Ed25519 signature has a byte more', 'MALFORMED', {
    ...signedBy((content) => der(BIT_STRING, content, Uint8Array.of(0))),
    by: EDWARDS,
  }),
  certificate('whose signature has a number in another form', 'MALFORMED', signedBy(withOtherNumber)),
  certificate('whose number is a string', 'MALFORMED', {
    fields: (fields) => fields.with(1, der(OCTET_STRING, Uint8Array.of(1))),
  }),
  certificate('with a byte after it', 'MALFORMED', { whole: (bytes) => concat(bytes, Uint8Array.of(0)) }),
  certificate('whose length has three bytes', 'MALFORMED', {
    whole: (bytes) => concat(Uint8Array.of(SEQUENCE, 0x83, 0), bytes.subarray(2)),
  }),
  certificate(
    'whose signature has its length in another form',
    'MALFORMED',
    signedBy((content) => concat(Uint8Array.of(BIT_STRING, 0x81, content.length), content)),
  ),
];
