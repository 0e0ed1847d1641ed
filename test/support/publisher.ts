/** A publisher for tests of the broker's side: keys of every role, two people, a product, releases, devices. */

import { authorRoot, type RootPlan } from '@countersign/broker/keys/root';
import { signTransaction } from '@countersign/broker/keys/tx';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import {
  enrolDevicesArgs,
  enrolPersonArgs,
  objectDigest,
  type Plan,
  productArgs,
  type RolloutAction,
  rolloutArgs,
  uploadArgs,
} from '@countersign/broker/ledger/contract/args';
import { classId as classIdOf, vendorId as vendorIdOf } from '@countersign/broker/ledger/contract/uuid';
import type { DeviceView, ProductView } from '@countersign/broker/ledger/contract/views';
import type { BlobStore } from '@countersign/broker/store/blobs';
import { cidOf } from '@countersign/broker/store/cid';
import {
  type Action,
  encodeManifest,
  leafHash,
  makeFrames,
  manifestDigest,
  NO_LEAF,
  publicKeyOf,
  REASON_OK,
  RESULT_FAILED,
  RESULT_SUCCESS,
  type Report,
  type Role,
  reportValue,
  type Signer,
  STATE_IDLE,
  type Stage,
  type StageCode,
  signBlock1,
  signStatement,
  unhex,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { bytesOf, ORIGIN, sha256, signerOf, signers } from './world.ts';

export const PRODUCT = {
  vendorDomain: 'example.com',
  name: 'sensor',
  memoryClass: 'L' as const,
  frameBytes: 1024,
  slotBytes: 262_144,
  imageBase: 0x0800_4000,
};
export const vendorId = vendorIdOf(PRODUCT.vendorDomain);
export const classId = classIdOf(vendorId, PRODUCT.name);
export const alice = signerOf('alice');
export const bob = signerOf('bob');

export interface TestDevice {
  id: Uint8Array;
  signer: Signer;
  counter: number;
  previous: Uint8Array;
}

/** A trust root with one key for each role and nobody to cosign. */
export function makeRoot(change: Partial<RootPlan> = {}, by: Signer = signers.root): Promise<Uint8Array> {
  const roles: Role[] = ['collection', 'distribution', 'command', 'log', 'orderer', 'service', 'root'];
  const keys = Object.fromEntries(roles.map((role) => [role, [publicKeyOf(signers[role])]]));
  return authorRoot(sha256, { origin: ORIGIN, ...change, keys: { ...keys, ...change.keys } }, [by]);
}

/** Entries 0, 1 and 2: the trust root; Alice, who uploads and opens rollouts; Bob, who approves. */
export async function genesisOf(trustRoot: Uint8Array): Promise<Uint8Array[]> {
  return [trustRoot, await first('alice', ['engineer', 'operator'], alice), await first('bob', ['approver'], bob)];
}

function first(name: string, roles: ('engineer' | 'operator' | 'approver')[], signer: Signer): Promise<Uint8Array> {
  const object = objectDigest(sha256, 'person', utf8(name));
  const args = enrolPersonArgs({ name, roles, key: publicKeyOf(signer) });
  return signTransaction(sha256, signer, { channel: ORIGIN, action: 'enrol', object, previous: NO_LEAF, args });
}

export class Publisher {
  readonly ledger: LedgerClient;
  readonly blobs: BlobStore;

  constructor(ledger: LedgerClient, blobs: BlobStore) {
    this.ledger = ledger;
    this.blobs = blobs;
  }

  async act(signer: Signer, action: Action, object: Uint8Array, args: Value): Promise<Uint8Array> {
    const { previous } = (await this.ledger.evaluate('getPrevious', hexOf(object))) as { previous: string };
    const transaction = { channel: ORIGIN, action, object, previous: unhex(previous)!, args };
    const committed = await this.ledger.submit(await signTransaction(sha256, signer, transaction));
    return committed.leafHash;
  }

  addProduct(): Promise<Uint8Array> {
    return this.act(alice, 'product', objectDigest(sha256, 'product', classId), productArgs(PRODUCT));
  }

  /** Made, signed by C and uploaded, but not approved. @returns the release leaf */
  async upload(version: string, collection: Signer = signers.collection): Promise<Uint8Array> {
    const product = (await this.ledger.evaluate('getProduct', hexOf(classId))) as ProductView;
    const image = contentOf(`image ${version}`, 9_000);
    const { frames, payload } = makeFrames(sha256, contentOf(`full ${version}`, 5_000), PRODUCT.frameBytes);
    await this.blobs.put(image);
    await this.blobs.putFrames(payload, frames);
    const digest = sha256(image);
    const manifest = encodeManifest({
      sequence: product.sequence + 1,
      vendorId,
      classId,
      image: { digest, bytes: image.length },
      version,
      policy: 7,
      branches: [{ payload, memoryClass: 'L', workspaceBytes: 4096 }],
    });
    const block1 = await signBlock1(sha256, manifest, unhex(product.head)!, collection);
    const leaf = leafHash(sha256, block1);
    await this.act(
      alice,
      'upload',
      leaf,
      uploadArgs({ block1, manifest, fileName: `${version}.bin`, contentId: cidOf(digest) }),
    );
    return leaf;
  }

  async release(version: string, collection?: Signer): Promise<Uint8Array> {
    const leaf = await this.upload(version, collection);
    await this.act(bob, 'approve', leaf, []);
    await this.act(signers.service, 'confirm', leaf, []);
    return leaf;
  }

  async enrol(names: readonly string[]): Promise<TestDevice[]> {
    const devices = names.map((name) => ({ id: bytesOf(`device ${name}`, 16), signer: signerOf(`device ${name}`) }));
    const keys = devices.map(({ id, signer }) => ({ id, key: publicKeyOf(signer) }));
    const object = objectDigest(sha256, 'devices', classId);
    await this.act(alice, 'enrol', object, enrolDevicesArgs({ classId, devices: keys }));
    return devices.map((device) => ({ ...device, counter: 0, previous: NO_LEAF }));
  }

  open(plan: Plan): Promise<Uint8Array> {
    return this.rollout(plan.rolloutId, { op: 'open', plan });
  }

  decide(rolloutId: Uint8Array, op: 'pause' | 'resume' | 'abort' | 'advance'): Promise<Uint8Array> {
    return this.rollout(rolloutId, { op, rolloutId, reason: 'a test' });
  }

  rollout(rolloutId: Uint8Array, action: RolloutAction): Promise<Uint8Array> {
    return this.act(alice, 'rollout', objectDigest(sha256, 'rollout', rolloutId), rolloutArgs(action));
  }

  async device(id: Uint8Array): Promise<DeviceView> {
    return (await this.ledger.evaluate('getDevice', hexOf(id))) as DeviceView;
  }
}

/** The device's next report on a rollout. */
export async function nextReport(
  device: TestDevice,
  rolloutId: Uint8Array,
  outcome: 'updated' | 'reverted' | 'refused',
  code: StageCode = outcome === 'updated' ? 'OK' : 'SELF_TEST_FAILED',
  slot = 'slot',
): Promise<Uint8Array> {
  const stages: [Stage, StageCode][] = [
    ['verify', 'OK'],
    outcome === 'reverted' ? ['revert', 'OK'] : ['confirm', code],
  ];
  const report: Report = {
    deviceId: device.id,
    epoch: 0,
    counter: ++device.counter,
    previous: device.previous,
    headSize: 9,
    rolloutId,
    attempt: 1,
    manifestDigest: manifestDigest(sha256, utf8('any')),
    slotDigest: bytesOf(slot),
    state: STATE_IDLE,
    result: outcome === 'updated' ? RESULT_SUCCESS : RESULT_FAILED,
    reason: REASON_OK,
    code,
    stages,
  };
  const bytes = await signStatement(sha256, 'report', reportValue(report), device.signer);
  device.previous = sha256(bytes);
  return bytes;
}

export function contentOf(name: string, length: number): Uint8Array {
  const seed = bytesOf(name);
  return Uint8Array.from({ length }, (_, i) => seed[i % 32]! ^ (i >> 5));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
