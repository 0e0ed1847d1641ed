/** Every kind of statement by every key there is, for the places where servers take statements. */
import { objectDigest } from '@countersign/broker/ledger/contract/args';
import { enrolGrantArgs } from '@countersign/broker/ledger/contract/grant-args';
import { readFrames } from '@countersign/broker/ledger/embedded/segments';
import { encodeHeader, readBlock, signHeader } from '@countersign/broker/ledger/log/block';
import { codeOf } from '@countersign/device-sdk';
import {
  decode,
  decodeSign1,
  encode,
  encodeEnvelope,
  encodeSign1,
  HEADER_TYP,
  KINDS,
  type Kind,
  publicKeyOf,
  readStatement,
  type Signer,
  signBlock2,
  signDetached,
  signStatement,
  typOf,
  type Value,
} from '@countersign/device-sdk/format';
import { claimKey, newClaimCode } from '@countersign/device-sdk/host/claim';
import type { ExecutionContext } from 'ava';
import {
  addProduct,
  CLASS,
  enrolDevices,
  newDevice,
  newRelease,
  newSigner,
  newWorld,
  person,
  planOf,
  publish,
  sha256,
  type TestDevice,
  type TestRelease,
  tx,
  verifier,
  type World,
  type WorldOptions,
} from '../broker/ledger-world.ts';

/** What says that a statement has no business here, whatever is in it. */
export const STRANGE = new Set([
  'WRONG_TYPE',
  'MALFORMED',
  'TOO_LARGE',
  'UNKNOWN_KEY',
  'WRONG_ROLE',
  'BAD_SIGNATURE',
  'BAD_STATEMENT',
  'NOT_PERMITTED',
  'NOT_FOUND',
]);

export interface Setting {
  world: World;
  device: TestDevice;
  /** Confirmed, with a plan that a person has signed. */
  release: TestRelease;
  /** Every key there is, by whose it is. */
  keys: [who: string, key: Signer][];
}

export async function setting(t: ExecutionContext, options: WorldOptions = {}): Promise<Setting> {
  const world = await newWorld(options);
  t.teardown(() => world.end());
  await addProduct(world);
  const release = await publish(world, 1);
  await person(world, planOf(release), 'open');
  const device = newDevice();
  await enrolDevices(world, [device]);
  const { alice, bob } = world.people;
  const people: [string, Signer][] = [
    ['alice', alice!],
    ['bob', bob!],
    ['device', device.signer],
    ['grant', (await newGrant(world)).signer],
    ['nobody', newSigner()],
  ];
  return { world, device, release, keys: [...Object.entries(world.keys), ...people] };
}

/** An enrolment code that alice has signed for one class. */
export async function newGrant({ ledger, people }: World, devices = 9) {
  const { signer, grantId } = claimKey(verifier, newClaimCode());
  const key = publicKeyOf(signer);
  const grant = { grantId, key, classId: CLASS, devices, expires: 1_900_000_000, kind: 'code', content: null } as const;
  const object = objectDigest(sha256, 'grant', grantId);
  await ledger.submit(await tx(people.alice!, { action: 'enrol', object, args: enrolGrantArgs(grant) }));
  return { signer, grantId };
}

/** Every kind by the right key, honestly and with its label exchanged; and the right kind by every other key. */
export async function* triedBy(payload: Value, kind: Kind, right: Signer, { keys }: Pick<Setting, 'keys'>) {
  for (const other of KINDS) {
    if (other === kind) continue;
    const bytes = await signStatement(sha256, other, payload, right);
    yield { what: `${other} by the right key`, bytes };
    yield { what: `${other} by the right key, relabelled`, bytes: relabelled(bytes, kind) };
  }
  for (const [who, key] of keys) {
    if (key !== right) yield { what: `${kind} by ${who}`, bytes: await signStatement(sha256, kind, payload, key) };
  }
}

/** Every kind by every key over one payload; and the honest key's signature for each other kind, with its label exchanged. */
export async function* tried(
  payload: Value,
  kind: Kind,
  { keys }: Setting,
): AsyncGenerator<{ kind: Kind; who: string; bytes: Uint8Array }> {
  for (const [who, key] of keys) {
    for (const other of KINDS) {
      const bytes = await signStatement(sha256, other, payload, key);
      yield { kind: other, who, bytes };
      if (other !== kind) yield { kind: other, who: `${who}, relabelled`, bytes: relabelled(bytes, kind) };
    }
  }
}

function relabelled(bytes: Uint8Array, kind: Kind): Uint8Array {
  const sign1 = decodeSign1(bytes);
  const header = new Map(sign1.protected).set(HEADER_TYP, typOf(kind));
  return encodeSign1({ ...sign1, protectedBytes: encode(header) });
}

/** What is signed by servers without being a statement. */
export async function blocksAndHeads({ world, release }: Setting): Promise<[string, Uint8Array][]> {
  const { distribution, orderer, root } = world.keys;
  const { head, signed } = await world.ledger.head();
  const seen = { releaseLeaf: release.leaf, size: head.size, root: head.root };
  const block2 = await signBlock2(sha256, release.manifest, seen, distribution);
  const frames = [];
  for await (const frame of readFrames(`${world.dir}/ledger`)) if ('bytes' in frame) frames.push(frame.bytes);
  const block = readBlock(frames.at(-1)!);
  return [
    ['block 1', release.block1],
    ['block 2', block2],
    ['the envelope', encodeEnvelope(sha256, release.manifest, release.block1, block2)],
    ['a block 1 by another role', (await newRelease(world, 2, release.leaf, {}, distribution)).block1],
    ['the manifest', release.manifest],
    ['a head', signed],
    ['a receipt', (await world.ledger.receipt(release.leaf)).receipt],
    ['a whole block', block.bytes],
    ["an orderer's signature", await signHeader(sha256, encodeHeader(block.header), orderer)],
    ['the trust root', world.rootBytes],
    ["a root key's signature", await signDetached(sha256, 'root', Uint8Array.of(1), root)],
    [
      'a transaction as another wrote it',
      encode(decode(readStatement((await world.ledger.entries(3, 1))[0]!, 'tx').payload)),
    ],
  ];
}

export async function codeFrom(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'OK',
    (error) => codeOf(error),
  );
}
