/** Grants, and devices that enrol themselves by a code or by their line on a list. */
import { listRoot } from '@countersign/broker/distribution/enrolment/lists';
import { levelsOver, pathFrom } from '@countersign/broker/distribution/merkle-levels';
import { objectDigest } from '@countersign/broker/ledger/contract/args';
import { type EnrolGrant, enrolGrantArgs } from '@countersign/broker/ledger/contract/grant-args';
import { listedLeaf } from '@countersign/broker/ledger/contract/lists';
import {
  claimValue,
  coseKey,
  encode,
  hex,
  NO_LEAF,
  publicKeyOf,
  type Signer,
  signStatement,
  thumbprint,
  transactionValue,
  unhex,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { certifiedEntry } from '@countersign/device-sdk/host/certified';
import { claimEntry, claimKey, enrolmentEntry } from '@countersign/device-sdk/host/claim';
import { encodeListing, encodeListingAsk, listedEntry, serialDigest } from '@countersign/device-sdk/host/listing';
import { bytesOf, classId, deviceId, ORIGIN, sha256, signers } from '../support/world.ts';
import { accepted, type FormatVector, refused } from './format-vector.ts';

/** Made once by simulator/src/attacks/server/certificates.ts, whose keys are random: of SN-2, for TLS clients, by an authority of P-256. */
const CERTIFICATE = unhex(
  [
    '308201373081dfa003020102020102300a06082a8648ce3d04030230123110300e06035504030c07666163746f7279302218',
    '0f32303236313132303230343830355a180f32313236313032383230343830355a300f310d300b06035504030c04534e2d32',
    '3059301306072a8648ce3d020106082a8648ce3d030107034200046c0a253efea69e415667de87c30a5a42e5eaeeb7010b8d',
    'fe744b1d0007f4da4f21d5a2c42ef1f3bfdc8fb80a7e81fc67e65b560bda09deb782cba99c85ab8c6ca3253023300c060355',
    '1d130101ff0402300030130603551d25040c300a06082b06010505070302300a06082a8648ce3d0403020347003044022040',
    '0afc65817e1eba70c33ecb1643f7466b6cd40b21a27787678fb3d746fdfec102204fd9263a800ea57b3d3c178235d17600e2',
    '2ed24cb5864b2e36dc4800131c8604',
  ].join(''),
)!;
/** Where the second name of the authority's algorithm ends. */
const SECOND_ALGORITHM = 241;

const SERIALS = ['SN-1', 'SN-2', 'SN-3'];

export async function enrolmentVectors(): Promise<FormatVector[]> {
  const { signer, grantId } = claimKey({ sha256 }, hex(bytesOf('claim code', 16)));
  const common = { grantId, key: publicKeyOf(signer), classId, devices: 3, expires: 1_800_000_000 };
  const { device, person } = signers;
  const lines = SERIALS.map((serial, i) => ({
    serial,
    salt: hex(bytesOf(`salt ${serial}`, 16)),
    print: hex(i === 1 ? thumbprint(sha256, publicKeyOf(device)) : sha256(utf8(serial))),
  }));
  const digests = lines.map(({ serial, salt }) => serialDigest(sha256, unhex(salt)!, serial));
  const levels = levelsOver(
    sha256,
    lines.map(({ print }, i) => listedLeaf(sha256, digests[i]!, unhex(print)!)),
  );
  const listing = { grantId, salt: unhex(lines[1]!.salt)!, index: 1, path: pathFrom(levels, 1) };
  const content = unhex(listRoot(sha256, lines))!;
  const claim = { origin: ORIGIN, grantId, deviceId, classId };
  const proof = await signStatement(sha256, 'claim', claimValue(claim), device);
  const key = coseKey(publicKeyOf(device));
  const listed = (at: number, value: Value) => {
    const args: Value[] = ['listed', grantId, deviceId, key, proof, digests[1]!, key, 1, listing.path];
    return enrolmentEntry(
      { sha256 },
      device,
      claim,
      at < 9 ? args.map((arg, i) => (i === at ? value : arg)) : [...args, value],
    );
  };
  const grant = (change: Partial<EnrolGrant>) =>
    grantEntry(person, grantId, enrolGrantArgs({ ...common, kind: 'code', content: null, ...change }));
  const whole = await listedEntry({ sha256 }, device, device, claim, { serial: 'SN-2', listing });
  const authority = publicKeyOf(signers.root);
  const named = { certificate: CERTIFICATE, signer: device };
  const certified = await certifiedEntry({ sha256 }, named, device, claim, authority);
  const sha384 = CERTIFICATE.map((byte, i) => (i === SECOND_ALGORITHM ? 3 : byte));
  const ask = encodeListingAsk({ serial: 'SN-2', print: unhex(lines[1]!.print)! });
  const place = encodeListing(listing);
  return [
    accepted('enrol', 'grant-code', 'three devices by a claim code', await grant({})),
    accepted('enrol', 'grant-list', 'a list of three serials by its root', await grant({ kind: 'list', content })),
    refused('enrol', 'grant-code-digest', 'a code with a digest', 'MALFORMED', await grant({ content })),
    refused('enrol', 'grant-list-null', 'a list without a root', 'MALFORMED', await grant({ kind: 'list' })),
    refused('enrol', 'grant-nobody', 'for no device', 'MALFORMED', await grant({ devices: 0 })),
    accepted('claim', 'claim', 'the proof that a device holds the key that it wants enrolled', proof),
    accepted('enrol', 'claim-code', 'by the key of a code', await claimEntry({ sha256 }, signer, device, claim)),
    accepted('enrol', 'claim-listed', 'by the second of three lines, whose key is the device’s own', whole),
    refused(
      'enrol',
      'listed-digest',
      'a serial digest of 31 bytes',
      'MALFORMED',
      await listed(5, digests[1]!.slice(1)),
    ),
    refused('enrol', 'listed-index', 'a line below 0', 'MALFORMED', await listed(7, -1)),
    refused('enrol', 'listed-path', '18 hashes', 'MALFORMED', await listed(8, new Array(18).fill(content))),
    refused('enrol', 'listed-ten', 'ten elements', 'MALFORMED', await listed(9, 0)),
    accepted(
      'enrol',
      'claim-certified',
      'by a certificate; its key and signature are the contract’s to check',
      certified,
    ),
    accepted('certificate', 'certificate', 'of a device, by an authority of P-256', CERTIFICATE),
    refused('certificate', 'certificate-cut', 'cut short', 'MALFORMED', CERTIFICATE.slice(0, -1)),
    refused('certificate', 'certificate-trailing', 'a byte after it', 'MALFORMED', Uint8Array.of(...CERTIFICATE, 0)),
    refused('certificate', 'certificate-large', '1,025 bytes', 'TOO_LARGE', new Uint8Array(1_025)),
    refused('certificate', 'certificate-algorithm', 'by P-256 with SHA-384', 'UNSUPPORTED', sha384),
    accepted('authority', 'authority-ask', 'under which grant a certificate counts', encode([1, classId])),
    refused('authority', 'authority-ask-version', 'version 2', 'UNSUPPORTED', encode([2, classId])),
    accepted('listingAsk', 'listing-ask', 'where a serial stands', ask),
    refused('listingAsk', 'listing-ask-serial', 'a serial with a comma', 'BAD_REQUEST', encode([1, 'SN,2', content])),
    refused('listingAsk', 'listing-ask-version', 'version 2', 'UNSUPPORTED', encode([2, 'SN-2', content])),
    refused('listingAsk', 'listing-ask-large', '129 bytes', 'TOO_LARGE', new Uint8Array(129)),
    accepted('listing', 'listing', 'the second of three', place),
    refused(
      'listing',
      'listing-version',
      'version 2',
      'UNSUPPORTED',
      Uint8Array.from(place, (b, i) => (i === 1 ? 2 : b)),
    ),
  ];
}

function grantEntry(by: Signer, grantId: Uint8Array, args: Value): Promise<Uint8Array> {
  const object = objectDigest(sha256, 'grant', grantId);
  const transaction = { channel: ORIGIN, action: 'enrol', object, previous: NO_LEAF, args };
  return signStatement(sha256, 'tx', transactionValue(transaction), by);
}
