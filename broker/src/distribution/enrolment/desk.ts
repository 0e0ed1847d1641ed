/**
 * Where devices enrol themselves. The desk has no key: it holds back what is too much or too late and asks the ledger,
 * whose contract decides. What it answers to strangers says nothing of which codes there are.
 */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  checkStatement,
  equal,
  hex,
  kidOf,
  leafHash,
  type PublicKey,
  readStatement,
  readTransaction,
  thumbprint,
  unhex,
} from '@countersign/device-sdk/format';
import { encodeAuthorityGrant, readAuthorityAsk } from '@countersign/device-sdk/host/certified';
import { CLAIM_BYTES_MAX } from '@countersign/device-sdk/host/claim';
import { encodeListing, readListingAsk } from '@countersign/device-sdk/host/listing';
import type { LedgerClient } from '../../ledger/client.ts';
import { isIssuedBy, readCertificate } from '../../ledger/contract/certificate.ts';
import { type ClaimDevice, readAnyClaim } from '../../ledger/contract/grant-args.ts';
import { isOnList } from '../../ledger/contract/lists.ts';
import type { DeviceView, GrantView } from '../../ledger/contract/views.ts';
import { BoundedMap } from '../bounded-map.ts';
import { Bucket, type Rate } from '../bucket.ts';
import type { ServerClock } from '../ports.ts';
import type { EnrolmentLists } from './lists.ts';

/** From one address: a production line behind one router claims some devices a second, a stranger guesses in vain. */
export const CLAIM_RATE: Rate = { perSecond: 5, burst: 64 };
/** In all: each claim costs two signature checks and at most one flush of the ledger. */
export const CLAIM_RATE_ALL: Rate = { perSecond: 50, burst: 512 };
const ADDRESSES_MAX = 16_384;

export interface EnrolmentDesk {
  /** @returns the class id in hex. @throws Refusal RATE_LIMITED, UNAUTHORIZED, NOT_PERMITTED; as the contract's claim */
  claim(address: string, entry: Uint8Array, presented?: Presenter): Promise<string>;
  /** Tells a device under which grant its certificate counts. @throws Refusal RATE_LIMITED, UNAUTHORIZED, NOT_PERMITTED */
  authority(address: string, question: Uint8Array, presented: Presenter): Promise<Uint8Array>;
  /** Tells a device where its serial stands. @throws Refusal RATE_LIMITED, UNAUTHORIZED, BAD_REQUEST, MALFORMED */
  listing(address: string, question: Uint8Array): Promise<Uint8Array>;
}

/** A certificate with which a device came, checked by whoever took the connection. */
export interface Presented {
  /** DER. */
  certificate: Uint8Array;
  /** The serial that it names. */
  name: string;
}

/** @throws Refusal NOT_PERMITTED for none, and for one that is not accepted */
export type Presenter = () => Promise<Presented>;

export interface DeskParts {
  ledger: LedgerClient;
  verifier: Verifier;
  clock: ServerClock;
  lists: EnrolmentLists;
  /** Keys of authorities whose certificates enrol devices. */
  authorities?: readonly PublicKey[];
  /** Told under which serial a device enrolled itself. */
  named(deviceId: Uint8Array, serial: string): Promise<void>;
}

export function enrolmentDesk(parts: DeskParts): EnrolmentDesk {
  const { ledger, verifier, clock, lists, authorities = [] } = parts;
  const addresses = new BoundedMap<Bucket>(ADDRESSES_MAX);
  const all = new Bucket(CLAIM_RATE_ALL, clock.elapsedMs());

  return {
    async claim(address, entry, presented = withoutCertificate) {
      checkRate(address);
      const { statement, args } = readClaimEntry(entry);
      const serial = await serialOf(args, presented);
      const grant = await findGrant(hex(args.grantId));
      const key = grant && keyOf(grant, args);
      // One answer for a code that does not exist and for a wrong signature: a stranger learns nothing of grants.
      const known = key && equal(statement.kid, kidOf(verifier.sha256, key));
      demand(grant && key && known, 'UNAUTHORIZED', 'there is no such claim code');
      checkStatement(verifier, statement, key);
      const device = await enrolledAs(args, grant.classId);
      if (device) {
        // By this very entry: whoever has a line of his own must not give its serial to somebody else's device.
        const own = device.previous === hex(leafHash(verifier.sha256, entry));
        return named(args, own ? serial : undefined, grant.classId);
      }
      // The ledger's time decides no right (peers execute later than it), so whoever takes claims keeps the date.
      demand(clock.now() < grant.expires, 'NOT_PERMITTED', `grant ${grant.grantId} has expired`);
      await ledger.submit(entry);
      return named(args, serial, grant.classId);
    },
    async authority(address, question, presented) {
      checkRate(address);
      const classId = hex(readAuthorityAsk(question));
      const certificate = readCertificate((await presented()).certificate);
      const authority = authorities.find((key) => isIssuedBy(verifier, certificate, key));
      const print = authority && hex(thumbprint(verifier.sha256, authority));
      const grants = (await ledger.evaluate('listGrants', classId)) as GrantView[];
      const ours = grants.filter(({ kind, content }) => kind === 'authority' && content === print);
      // Where none is open, the claim says why.
      const grant = ours.find((g) => g.state === 'open' && g.used < g.devices && clock.now() < g.expires) ?? ours[0];
      demand(authority && grant, 'UNAUTHORIZED', 'there is no grant for certificates of this authority');
      return encodeAuthorityGrant({ grantId: unhex(grant.grantId)!, authority });
    },
    async listing(address, question) {
      checkRate(address);
      const found = lists.find(readListingAsk(question));
      const grants = await Promise.all(found.map(({ grantId }) => findGrant(hex(grantId))));
      // A serial that was listed again is shown the list that is open; where none is, the claim says why.
      const open = found.find((_, i) => grants[i]?.state === 'open' && clock.now() < grants[i].expires);
      const listing = open ?? found.at(-1);
      demand(listing, 'UNAUTHORIZED', 'no list has this serial with this key');
      return encodeListing(listing);
    },
  };

  /** The key that may sign this claim, if any. */
  function keyOf(grant: GrantView, args: Claimed): PublicKey | undefined {
    if (args.what === 'claim') return { alg: grant.alg, bytes: unhex(grant.publicKey)! };
    if (args.what === 'listed') {
      return grant.kind === 'list' && isOnList(verifier.sha256, grant, args) ? args.listedKey : undefined;
    }
    const ours = grant.kind === 'authority' && grant.content === hex(thumbprint(verifier.sha256, args.authority));
    const certificate = readCertificate(args.certificate);
    return ours && isIssuedBy(verifier, certificate, args.authority) ? certificate.key : undefined;
  }

  /** By a code there is none. */
  async function serialOf(args: Claimed, presented: Presenter): Promise<string | undefined> {
    if (args.what === 'listed') return lists.serialAt(hex(args.grantId), args.index);
    if (args.what === 'claim') return undefined;
    const { certificate, name } = await presented();
    demand(equal(certificate, args.certificate), 'NOT_PERMITTED', 'this is not the certificate of the connection');
    return name;
  }

  /** For operators alone: the ledger has no serials. Done again at every claim, as a crash may have come before it. */
  async function named(args: Claimed, serial: string | undefined, classId: string): Promise<string> {
    if (serial !== undefined) await parts.named(args.id, serial);
    return classId;
  }

  function checkRate(address: string): void {
    const now = clock.elapsedMs();
    const bucket = addresses.get(address) ?? new Bucket(CLAIM_RATE, now);
    addresses.set(address, bucket);
    demand(bucket.take(1, now) && all.take(1, now), 'RATE_LIMITED', 'too many claims');
  }

  async function findGrant(id: string): Promise<GrantView | undefined> {
    return absent(ledger.evaluate('getGrant', id)) as Promise<GrantView | undefined>;
  }

  /** The answer to the first claim was lost: the device may ask again, also after the grant's end. */
  async function enrolledAs({ id, key }: ClaimDevice, classId: string): Promise<DeviceView | undefined> {
    const device = (await absent(ledger.evaluate('getDevice', hex(id)))) as DeviceView | undefined;
    if (!device || device.publicKey !== hex(key.bytes) || device.classId !== classId) return undefined;
    demand(device.state === 'enrolled', 'REVOKED', 'this device is revoked');
    return device;
  }
}

/** Who comes without TLS. */
async function withoutCertificate(): Promise<Presented> {
  throw new Refusal('NOT_PERMITTED', 'come with a certificate');
}

type Claimed = ReturnType<typeof readClaimEntry>['args'];

/** @throws Refusal MALFORMED, TOO_LARGE, WRONG_TYPE */
function readClaimEntry(entry: Uint8Array) {
  demand(entry.length <= CLAIM_BYTES_MAX, 'TOO_LARGE', `a claim of ${entry.length} bytes`);
  const statement = readStatement(entry, 'tx');
  const { action, args } = readTransaction(statement.payload);
  if (action !== 'enrol') throw new Refusal('NOT_PERMITTED', 'devices enrol themselves here, and do nothing else');
  return { statement, args: readAnyClaim(args) };
}

async function absent<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch((error) => {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  });
}
