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
import { claimEntry, claimKey, enrolmentEntry } from '@countersign/device-sdk/host/claim';
import { encodeListing, encodeListingAsk, listedEntry, serialDigest } from '@countersign/device-sdk/host/listing';
import { bytesOf, classId, deviceId, ORIGIN, sha256, signers } from '../support/world.ts';
import type { FormatVector } from './make-format.ts';
import type { Accepted, Refused } from './make-near.ts';

const SERIALS = ['SN-1', 'SN-2', 'SN-3'];

export async function enrolmentVectors(accepted: Accepted, refused: Refused): Promise<FormatVector[]> {
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
