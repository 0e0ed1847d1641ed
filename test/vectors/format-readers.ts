/** The readers that vectors name, each giving plain JSON: byte strings in hex, signatures and raw structures left out. */
import { readCertificate } from '@countersign/broker/ledger/contract/certificate';
import { readAnyClaim, readEnrolGrant } from '@countersign/broker/ledger/contract/grant-args';
import {
  decode,
  hex,
  type Kind,
  readAck,
  readAnnouncement,
  readAnswer,
  readBlock1,
  readBlock2,
  readClaim,
  readCommand,
  readEnvelope,
  readFresh,
  readHead,
  readIndexEntry,
  readLogin,
  readManifest,
  readProvision,
  readReceipt,
  readReport,
  readRequest,
  readRollout,
  readSignedRoot,
  readStatement,
  readTransaction,
  toPlain,
  type Value,
} from '@countersign/device-sdk/format';
import { readHead as readBundleHead, readStart, START_BYTES } from '@countersign/device-sdk/host/bundle/format';
import { readAuthorityAsk } from '@countersign/device-sdk/host/certified';
import { readListing, readListingAsk } from '@countersign/device-sdk/host/listing';
import { MessageReader, readHello } from '@countersign/device-sdk/host/local/format';
import { sha256 } from '../support/world.ts';

export const READERS: Record<string, (bytes: Uint8Array) => unknown> = {
  hello: (bytes) => plain(readHello(bytes)),
  local: (bytes) => plain(new MessageReader().take(bytes)),
  bundle(bytes) {
    const { headBytes, digest } = readStart(bytes.subarray(0, START_BYTES));
    return plain(readBundleHead(sha256, digest, bytes.slice(START_BYTES, START_BYTES + headBytes)));
  },
  cbor: (bytes) => toPlain(decode(bytes)),
  manifest: (bytes) => plain(readManifest(bytes)),
  block1: (bytes) => plain(readBlock1(bytes)),
  block2: (bytes) => plain(readBlock2(bytes)),
  envelope: (bytes) => plain(readEnvelope(sha256, bytes)),
  head: (bytes) => plain(readHead(bytes)),
  receipt: (bytes) => plain(readReceipt(bytes)),
  indexEntry: (bytes) => plain(readIndexEntry(bytes)),
  announcement: (bytes) => plain(readAnnouncement(bytes)),
  rollout: statement('rollout', readRollout),
  report: statement('report', readReport),
  tx: statement('tx', readTransaction),
  login: statement('login', readLogin),
  claim: statement('claim', readClaim),
  enrol: (bytes) => plain(readEnrolment(readTransaction(readStatement(bytes, 'tx').payload).args)),
  certificate: (bytes) => plain(readCertificate(bytes)),
  authority: (bytes) => plain({ classId: readAuthorityAsk(bytes) }),
  listingAsk: (bytes) => plain(readListingAsk(bytes)),
  listing: (bytes) => plain(readListing(bytes)),
  ack: statement('ack', readAck),
  fresh: statement('fresh', readFresh),
  cmd: statement('cmd', readCommand),
  root: (bytes) => plain(readSignedRoot(sha256, bytes)),
  request: (bytes) => plain(readRequest(bytes)),
  answer: (bytes) => plain(readAnswer(bytes)),
  provision: (bytes) => plain(readProvision(bytes)),
};

/** A grant, and what is enrolled under one. */
function readEnrolment(args: Value): unknown {
  return Array.isArray(args) && args[0] === 'grant' ? readEnrolGrant(args) : readAnyClaim(args);
}

function statement(kind: Kind, read: (payload: Uint8Array) => unknown): (bytes: Uint8Array) => unknown {
  return (bytes) => {
    const { alg, kid, payload } = readStatement(bytes, kind);
    return plain({ alg, kid, ...(read(payload) as object) });
  };
}

/** JSON of what a reader returned; members that are undefined or hold the raw COSE structure are left out. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, item]) => key !== 'sign1' && item !== undefined);
  return Object.fromEntries(entries.map(([key, item]) => [key, plain(item)]));
}
