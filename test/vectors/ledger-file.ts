/** A ledger from fixed keys and a fixed clock: the same bytes on every machine. Run this file to print its vector. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { authorRoot } from '@countersign/broker/keys/root';
import { enrolPersonArgs, objectDigest, type PersonRole, productArgs } from '@countersign/broker/ledger/contract/args';
import { classId, vendorId } from '@countersign/broker/ledger/contract/uuid';
import { createLedger } from '@countersign/broker/ledger/embedded/create';
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import {
  hex,
  publicKeyOf,
  ROLES,
  type Role,
  type Signer,
  signStatement,
  transactionValue,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';

const { sha256 } = nodeVerifier();
const ORIGIN = 'vector.test/ledger';
const NONE = new Uint8Array(32);

export interface LedgerVector {
  why: string;
  /** Trust root 1, which is entry 0. */
  trust: string;
  /** The whole block file: block 0, and block 1 with a product. */
  blocks: string;
  /** The whole head file. */
  head: string;
  entries: number;
  root: string;
}

export async function makeLedgerVector(): Promise<LedgerVector> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-vector-'));
  try {
    const keys = Object.fromEntries(ROLES.map((role) => [role, signer(role)])) as Record<Role, Signer>;
    const listed = Object.fromEntries(ROLES.map((role) => [role, role === 'peer' ? [] : [publicKeyOf(keys[role])]]));
    const rootBytes = await authorRoot(sha256, { origin: ORIGIN, keys: listed }, [keys.root]);
    const people = [await enrolment('ann', ['engineer', 'operator']), await enrolment('ben', ['approver'])];
    const options = { ordererSigner: keys.orderer, logSigner: keys.log, now: () => 1_700_000_000 };
    await createLedger(dir, { origin: ORIGIN, rootBytes, people, ...options });
    const ledger = await openLedger(dir, { ...options, now: () => 1_700_000_060 });
    await ledger.submit(await product());
    const { head } = await ledger.head();
    await ledger.close();
    return {
      why: 'block 0 with a trust root and two people, block 1 with a product; SHA-256 of a role or name is its key',
      trust: hex(rootBytes),
      blocks: hex(await readFile(join(dir, 'ledger/0000000000.blocks'))),
      head: hex(await readFile(join(dir, 'ledger/head'))),
      entries: head.size,
      root: hex(head.root),
    };
  } finally {
    await rm(dir, { recursive: true });
  }
}

function signer(name: string): Signer {
  return nodeKeyStore(-19, sha256(utf8(name)));
}

async function enrolment(name: string, roles: PersonRole[]): Promise<Uint8Array> {
  const args = enrolPersonArgs({ name, roles, key: publicKeyOf(signer(name)) });
  return transaction(name, 'enrol', objectDigest(sha256, 'person', utf8(name)), args);
}

async function product(): Promise<Uint8Array> {
  const [vendorDomain, name] = ['vector.test', 'node'];
  const args = productArgs({ vendorDomain, name, memoryClass: 'S', frameBytes: 256, slotBytes: 4096, imageBase: 0 });
  return transaction('ann', 'product', objectDigest(sha256, 'product', classId(vendorId(vendorDomain), name)), args);
}

async function transaction(by: string, action: string, object: Uint8Array, args: Value): Promise<Uint8Array> {
  const value = transactionValue({ channel: ORIGIN, action, object, previous: NONE, args });
  return signStatement(sha256, 'tx', value, signer(by));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(JSON.stringify(await makeLedgerVector(), undefined, 2));
}
