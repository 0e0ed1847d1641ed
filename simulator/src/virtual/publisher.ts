/** The publisher of a virtual world: keys of every role from the seed, people who sign, the true collection server. */

import { signUpload } from '@countersign/broker/collection/check-prepared';
import { type Collection, createCollection } from '@countersign/broker/collection/collection';
import type { Images } from '@countersign/broker/collection/components';
import type { Distribution } from '@countersign/broker/distribution/server';
import { authorRoot } from '@countersign/broker/keys/root';
import { signTransaction } from '@countersign/broker/keys/tx';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import {
  enrolDevicesArgs,
  enrolPersonArgs,
  noArgs,
  objectDigest,
  type PersonRole,
  type Product,
  productArgs,
  type RolloutAction,
  rolloutArgs,
} from '@countersign/broker/ledger/contract/args';
import { identityDigest, issueKeyArgs } from '@countersign/broker/ledger/contract/issue-key-args';
import { classId, vendorId } from '@countersign/broker/ledger/contract/uuid';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import type { BlobStore } from '@countersign/broker/store/blobs';
import type { Verifier } from '@countersign/device-sdk';
import {
  type Action,
  ALG_ED25519,
  hex,
  type ImplicitKeys,
  NO_LEAF,
  publicKeyOf,
  type Role,
  type Signer,
  unhex,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { Prng } from '@countersign/device-sdk/rig';
import type { Profile } from '../fleet/profile.ts';
import { branchesHere } from './branches.ts';
import { possessionOf, type VirtualIssuance } from './issued.ts';

export const ORIGIN = 'virtual.example/countersign';

const PEOPLE = { engineer: 'engineer', approver: 'approver', operator: 'operator' } as const;
type Person = keyof typeof PEOPLE;
type Part = Exclude<Role, 'peer'>;
const PARTS: readonly Part[] = ['collection', 'distribution', 'command', 'log', 'orderer', 'service', 'root'];

/** Ed25519, whose signatures are a function of key and message. Whoever knows the seed knows every key. */
export type Keys = Record<Part | Person, Signer>;

export function keysOf(seed: string): Keys {
  const key = (name: string) => nodeKeyStore(ALG_ED25519, new Prng(seed, 'key', name).bytes(32));
  return Object.fromEntries([...PARTS, ...Object.keys(PEOPLE)].map((name) => [name, key(name)])) as Keys;
}

/** Entry 0 of the ledger, and the three people after it. */
export async function genesisOf(
  { sha256 }: Verifier,
  keys: Keys,
  implicit?: ImplicitKeys,
): Promise<{ rootBytes: Uint8Array; people: Uint8Array[] }> {
  const listed = PARTS.filter((role) => !implicit?.keys.some((key) => key.role === role));
  const roles = Object.fromEntries(listed.map((role) => [role, [publicKeyOf(keys[role])]]));
  const rootBytes = await authorRoot(sha256, { origin: ORIGIN, keys: roles, implicit }, [keys.root]);
  const people: Uint8Array[] = [];
  for (const name of Object.values(PEOPLE)) {
    const args = enrolPersonArgs({ name, roles: [name as PersonRole], key: publicKeyOf(keys[name]) });
    const object = objectDigest(sha256, 'person', utf8(name));
    people.push(
      await signTransaction(sha256, keys[name], { channel: ORIGIN, action: 'enrol', object, previous: NO_LEAF, args }),
    );
  }
  return { rootBytes, people };
}

export class VirtualPublisher {
  readonly #verifier: Verifier;
  readonly #ledger: LedgerClient;
  readonly #keys: Keys;
  readonly #collection: Collection;
  readonly product: Product;
  readonly classId: Uint8Array;

  constructor(verifier: Verifier, ledger: LedgerClient, blobs: BlobStore, keys: Keys, product: Product) {
    const { collection: signer, service } = keys;
    this.#verifier = verifier;
    this.#ledger = ledger;
    this.#keys = keys;
    this.product = product;
    this.classId = classId(vendorId(product.vendorDomain), product.name);
    const parts = { ledger, blobs, verifier, signer, service, origin: ORIGIN, runner: branchesHere };
    this.#collection = createCollection(parts);
  }

  /** Puts keys of a centre on the record, before their first use. */
  async issue(seed: string, { implicit, signers }: VirtualIssuance): Promise<void> {
    const { sha256 } = this.#verifier;
    for (const key of implicit.keys) {
      const possession = await possessionOf(sha256, seed, signers[key.role]);
      await this.#act('operator', 'issueKey', identityDigest(sha256, key), issueKeyArgs({ key, possession }));
    }
  }

  async addProduct(): Promise<void> {
    const object = objectDigest(this.#verifier.sha256, 'product', this.classId);
    await this.#act('engineer', 'product', object, productArgs(this.product));
  }

  async enrol(profiles: readonly Profile[]): Promise<void> {
    const devices = profiles.map(({ id, keys }) => ({ id, key: publicKeyOf(keys) }));
    const object = objectDigest(this.#verifier.sha256, 'devices', this.classId);
    await this.#act('operator', 'enrol', object, enrolDevicesArgs({ classId: this.classId, devices }));
  }

  /** Prepared, uploaded by one person, approved by another, confirmed. @param components further images, by id */
  async release(version: string, image: Uint8Array, components: Images = {}): Promise<ReleaseView> {
    const policy = { mandatory: true, log: true, reboot: true, downgrade: false };
    const order = { product: this.product.name, version, fileName: `${version}.bin`, policy };
    const prepared = await this.#collection.prepare(image, order, components);
    const asked = { ...order, vendorDomain: this.product.vendorDomain, components };
    const upload = await signUpload(this.#verifier, this.#keys.engineer, ORIGIN, image, prepared, asked);
    await this.#collection.submitUpload(upload);
    await this.#act('approver', 'approve', prepared.releaseLeaf, noArgs());
    return this.#collection.confirm(prepared.releaseLeaf);
  }

  /** Opened to everybody. Failures of any share are taken, so that the story goes on; devices revert all the same. */
  async open(distribution: Distribution, { releaseLeaf }: ReleaseView): Promise<Uint8Array> {
    const waves = [{ percent: 100, failurePercentMax: 100 }];
    const plan = await distribution.planWaves({ releaseLeaf: unhex(releaseLeaf)!, waves });
    await this.#rollout(plan.rolloutId, { op: 'open', plan });
    return plan.rolloutId;
  }

  #rollout(rolloutId: Uint8Array, action: RolloutAction): Promise<void> {
    const object = objectDigest(this.#verifier.sha256, 'rollout', rolloutId);
    return this.#act('operator', 'rollout', object, rolloutArgs(action));
  }

  async #act(person: Person, action: Action, object: Uint8Array, args: Value): Promise<void> {
    const { previous } = (await this.#ledger.evaluate('getPrevious', hex(object))) as { previous: string };
    const transaction = { channel: ORIGIN, action, object, previous: unhex(previous)!, args };
    await this.#ledger.submit(await signTransaction(this.#verifier.sha256, this.#keys[person], transaction));
  }
}
