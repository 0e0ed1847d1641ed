/** Row 42: an identity that its grant did not mean. Claims by codes, by lines of lists and by certificates of an authority. */
import type { Code } from '@countersign/device-sdk';
import {
  type Claim,
  claimValue,
  coseKey,
  publicKeyOf,
  readStatement,
  readTransaction,
  type Signer,
  signStatement,
  type Transaction,
  type Value,
} from '@countersign/device-sdk/format';
import { certificateKey, certifiedEntry } from '@countersign/device-sdk/host/certified';
import { claimEntry } from '@countersign/device-sdk/host/claim';
import { listedEntry } from '@countersign/device-sdk/host/listing';
import type { Variant } from '../attack.ts';
import { Authority, type Issued } from '../server/certificates.ts';
import {
  authorityKey,
  claimOf,
  deviceObject,
  granted,
  newAuthorityGrant,
  newGrant,
  newList,
  randomBytes,
  revokeGrant,
  type TestGrant,
} from '../server/grants.ts';
import { enrolDevices, newDevice, newSigner, previousOf, sha256, tx, type World } from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';

/** A claim that the ledger would take, and what it is made of. */
interface Scene {
  world: World;
  grant: TestGrant;
  /** Whose signature the entry bears. */
  by: Signer;
  device: Signer;
  claim: Claim;
  entry: Uint8Array;
  /** The same factory's word for another device, or for the claim that is given. */
  enrol(device: Signer, claim?: Claim): Promise<Uint8Array>;
}

type Way = (world: World) => Promise<Pick<Scene, 'grant' | 'by' | 'enrol'>>;

const byCode: Way = async (world) => {
  const grant = await granted(world, newGrant({ devices: 1 }));
  const by = grant.signer;
  return { grant, by, enrol: (device, claim = claimOf(grant.grantId)) => claimEntry({ sha256 }, by, device, claim) };
};

const byList: Way = async (world) => {
  const by = newSigner();
  const list = newList([by, newSigner()]);
  const place = list.placeOf(0);
  await granted(world, list);
  const enrol = (device: Signer, claim = claimOf(list.grantId)) => listedEntry({ sha256 }, by, device, claim, place);
  return { grant: list, by, enrol };
};

const [FACTORY, FOREIGN] = [new Authority('factory'), new Authority('foreign')];

const entryOf = ({ cert, key }: Issued, device: Signer, claim: Claim, by = FACTORY) =>
  certifiedEntry({ sha256 }, certificateKey(cert, key), device, claim, authorityKey(by));

const byCertificate: Way = async (world) => {
  const grant = await granted(world, newAuthorityGrant(FACTORY));
  const own = FACTORY.issue({ name: 'SN-1' });
  const enrol = (device: Signer, claim = claimOf(grant.grantId)) => entryOf(own, device, claim);
  return { grant, by: certificateKey(own.cert, own.key).signer, enrol };
};

function claims(way: Way, how: string, expect: Code, make: (scene: Scene) => Promise<Uint8Array>): Variant {
  return contract(how, expect, async (world) => {
    const found = await way(world);
    const device = newSigner();
    const claim = claimOf(found.grant.grantId);
    const bytes = await make({ world, device, claim, entry: await found.enrol(device, claim), ...found });
    return () => world.ledger.submit(bytes);
  });
}

/** The same transaction with something else in it, signed again. */
function again(entry: Uint8Array, by: Signer, change: Partial<Transaction>): Promise<Uint8Array> {
  return tx(by, { ...readTransaction(readStatement(entry, 'tx').payload), ...change });
}

/** Its own args with one element changed: word, grant, device, key, proof, and what the way adds. */
function withArg({ entry, by }: Scene, at: number, value: Value, change: Partial<Transaction> = {}, signer = by) {
  const args = readTransaction(readStatement(entry, 'tx').payload).args as Value[];
  return again(entry, signer, { args: args.with(at, value), ...change });
}

/** Signs as one, and says that it was another. */
function inTheNameOf({ alg, publicKey }: Signer, by: Signer): Signer {
  return { alg, publicKey, sign: (message) => by.sign(message) };
}

const codeRows: Variant[] = [
  claims(byCode, 'claims by a word that is none', 'MALFORMED', (s) => withArg(s, 0, 'klaim')),
  claims(byCode, 'claims with a code whose grant was revoked', 'REVOKED', async ({ world, grant, entry }) => {
    await revokeGrant(world, grant.grantId);
    return entry;
  }),
  claims(byCode, 'revokes with a claim code', 'NOT_PERMITTED', ({ entry, by }) =>
    again(entry, by, { action: 'revoke' }),
  ),
  claims(byCode, 'claims under the grant of another code', 'BAD_STATEMENT', async ({ world, device, enrol }) => {
    const other = await granted(world, newGrant());
    return enrol(device, claimOf(other.grantId));
  }),
  claims(byCode, 'claims one device under the object of another', 'BAD_STATEMENT', ({ entry, by }) =>
    again(entry, by, { object: deviceObject(randomBytes(16)) }),
  ),
  claims(byCode, 'claims a second device with a code for one', 'CAP_REACHED', async ({ world, entry, enrol }) => {
    await world.ledger.submit(entry);
    return enrol(newSigner());
  }),
  claims(
    byCode,
    'takes a known device over with a claim code',
    'EXISTS',
    async ({ world, by, grant, device, enrol }) => {
      const known = newDevice();
      await enrolDevices(world, [known]);
      const object = deviceObject(known.id);
      const entry = await enrol(device, claimOf(grant.grantId, { deviceId: known.id }));
      return again(entry, by, { previous: await previousOf(world, object) });
    },
  ),
  claims(byCode, "claims with a proof that says it is by another's key", 'UNKNOWN_KEY', async (s) =>
    withArg(s, 4, await signStatement(sha256, 'claim', claimValue(s.claim), inTheNameOf(newSigner(), s.device))),
  ),
  claims(byCode, 'claims an id with the proof for another', 'BAD_STATEMENT', (s) => {
    const id = randomBytes(16);
    return withArg(s, 2, id, { object: deviceObject(id) });
  }),
  claims(byCode, "claims for a class that is not the grant's", 'WRONG_CLASS', ({ device, grant, enrol }) =>
    enrol(device, claimOf(grant.grantId, { classId: randomBytes(16) })),
  ),
];

/** What holds for a list as for certificates: the factory's word is signed by a key that the ledger has not seen. */
function factoryRows(what: string, way: Way): Variant[] {
  return [
    claims(way, `claims by ${what} with the key of the grant`, 'MALFORMED', (s) =>
      withArg(s, 0, 'claim', {}, s.grant.signer),
    ),
    claims(way, `claims by ${what} in a person’s name`, 'UNKNOWN_KEY', ({ world, entry, by }) =>
      again(entry, inTheNameOf(world.people.alice!, by), {}),
    ),
    claims(way, `claims by ${what} under a grant that nobody signed`, 'NOT_FOUND', (s) =>
      withArg(s, 1, randomBytes(16)),
    ),
    claims(way, `claims by ${what} under the grant of a code`, 'NOT_PERMITTED', async (s) =>
      withArg(s, 1, (await granted(s.world, newGrant())).grantId),
    ),
    claims(way, `claims by ${what} whose grant was revoked`, 'REVOKED', async ({ world, grant, entry }) => {
      await revokeGrant(world, grant.grantId);
      return entry;
    }),
    claims(way, `claims by ${what} a second time, for another device`, 'EXISTS', async ({ world, entry, enrol }) => {
      await world.ledger.submit(entry);
      return enrol(newSigner());
    }),
  ];
}

export const claimRows: Variant[] = [
  ...codeRows,
  ...factoryRows('a line of a list', byList),
  claims(byList, 'claims by a line of a list with a path that is too long', 'MALFORMED', (s) =>
    withArg(
      s,
      8,
      Array.from({ length: 18 }, () => randomBytes(32)),
    ),
  ),
  claims(byList, 'claims by a line of a list that has another key', 'NOT_PERMITTED', (s) => {
    const stranger = newSigner();
    return withArg(s, 6, coseKey(publicKeyOf(stranger)), {}, stranger);
  }),
  ...factoryRows('a certificate', byCertificate),
  claims(byCertificate, 'claims by a certificate of another authority', 'BAD_SIGNATURE', ({ device, claim }) =>
    entryOf(FOREIGN.issue({ name: 'SN-1' }), device, claim),
  ),
  claims(byCertificate, 'claims by a certificate of an authority that it names', 'NOT_PERMITTED', ({ device, claim }) =>
    entryOf(FOREIGN.issue({ name: 'SN-1' }), device, claim, FOREIGN),
  ),
];
