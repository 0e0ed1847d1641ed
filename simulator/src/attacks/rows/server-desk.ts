/** Row 42 at the desk where devices enrol themselves: codes that are guessed or outlived, others’ serials and certificates. */
import {
  CLAIM_RATE,
  CLAIM_RATE_ALL,
  type EnrolmentDesk,
  enrolmentDesk,
  type Presenter,
} from '@countersign/broker/distribution/enrolment/desk';
import {
  type EnrolmentLists,
  LIST_DEVICES_MAX,
  type ListLine,
  listRoot,
  openLists,
} from '@countersign/broker/distribution/enrolment/lists';
import { systemClock } from '@countersign/broker/distribution/ports';
import { noArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import type { GrantView } from '@countersign/broker/ledger/contract/views';
import type { Code } from '@countersign/device-sdk';
import { encode, hex, publicKeyOf, thumbprint, unhex } from '@countersign/device-sdk/format';
import { certificateKey, certifiedEntry } from '@countersign/device-sdk/host/certified';
import { CLAIM_BYTES_MAX, claimEntry } from '@countersign/device-sdk/host/claim';
import { encodeListingAsk } from '@countersign/device-sdk/host/listing';
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
  type TestGrant,
} from '../server/grants.ts';
import { act, CLASS, newSigner, sha256, tx, verifier, type World } from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';

const [FACTORY, FOREIGN] = [new Authority('factory'), new Authority('foreign')];
const ADDRESS = '192.0.2.1';

interface Scene {
  world: World;
  desk: EnrolmentDesk;
  lists: EnrolmentLists;
  /** Takes claims as from one address; a second passes before each. */
  claim(entry: Uint8Array | Promise<Uint8Array>, presented?: Presenter): Promise<unknown>;
}

function atDesk(how: string, expect: Code, prepare: (scene: Scene) => Promise<() => Promise<unknown>>): Variant {
  return contract(how, expect, async (world) => {
    const lists = await openLists(sha256, world.dir);
    let ms = 0;
    const desk = enrolmentDesk({
      ...{ ledger: world.ledger, verifier, lists, authorities: [authorityKey(FACTORY)] },
      clock: { ...systemClock, now: () => world.clock.now, elapsedMs: () => ms },
      named: async () => undefined,
    });
    const claim = async (entry: Uint8Array | Promise<Uint8Array>, presented?: Presenter) => {
      ms += 1_000;
      return desk.claim(ADDRESS, await entry, presented);
    };
    return prepare({ world, desk, lists, claim });
  });
}

/** A new device's claim by a code. */
function byCode({ signer, grantId }: Pick<TestGrant, 'signer' | 'grantId'>, deviceId = randomBytes(16)) {
  return claimEntry({ sha256 }, signer, newSigner(), claimOf(grantId, { deviceId }));
}

const came =
  ({ der }: Issued): Presenter =>
  async () => ({ certificate: der, name: 'SN-1' });

/** A claim that the ledger would take from whoever brings it. */
async function byCertificate(world: World): Promise<Uint8Array> {
  const { grantId } = await granted(world, newAuthorityGrant(FACTORY));
  const own = FACTORY.issue({ name: 'SN-1' });
  const key = certificateKey(own.cert, own.key);
  return certifiedEntry({ sha256 }, key, newSigner(), claimOf(grantId), authorityKey(FACTORY));
}

const codeRows: Variant[] = [
  atDesk('claims with a code that nobody made', 'UNAUTHORIZED', async ({ claim }) => {
    const entry = await byCode(newGrant());
    return () => claim(entry);
  }),
  atDesk('claims under a known grant with a key that is guessed', 'UNAUTHORIZED', async ({ world, claim }) => {
    const { grantId } = await granted(world, newGrant());
    const entry = await byCode({ signer: newSigner(), grantId });
    return () => claim(entry);
  }),
  atDesk('guesses one code after the other', 'RATE_LIMITED', async ({ world, desk }) => {
    const { grantId } = await granted(world, newGrant());
    const entry = await byCode({ signer: newSigner(), grantId });
    const guess = () => desk.claim(ADDRESS, entry);
    for (let i = 0; i < CLAIM_RATE.burst; i++) await guess().catch(() => undefined);
    return guess;
  }),
  atDesk('guesses codes from many addresses', 'RATE_LIMITED', async ({ desk }) => {
    const guess = (i: number) => desk.claim(`192.0.2.${i}`, Uint8Array.of(1));
    for (let i = 0; i < CLAIM_RATE_ALL.burst; i++) await guess(i).catch(() => undefined);
    return () => guess(CLAIM_RATE_ALL.burst);
  }),
  atDesk('claims with a code whose time is over', 'NOT_PERMITTED', async ({ world, claim }) => {
    const expires = world.clock.now + 60;
    const entry = await byCode(await granted(world, newGrant({ expires })));
    world.clock.now = expires;
    return () => claim(entry);
  }),
  atDesk('brings a revoked device back with its code', 'REVOKED', async ({ world, claim }) => {
    const id = randomBytes(16);
    const entry = await byCode(await granted(world, newGrant()), id);
    await claim(entry);
    await act(world, world.people.alice!, 'revoke', deviceObject(id), revokeArgs('device', id, 'stolen'));
    return () => claim(entry);
  }),
  atDesk('sends the desk more than a claim can be', 'TOO_LARGE', async ({ claim }) => {
    return () => claim(new Uint8Array(CLAIM_BYTES_MAX + 1));
  }),
  atDesk('has the desk bring an approval', 'NOT_PERMITTED', async ({ world, claim }) => {
    const approval = await tx(world.people.bob!, { action: 'approve', object: randomBytes(32), args: noArgs() });
    return () => claim(approval);
  }),
];

const certificateRows: Variant[] = [
  atDesk('claims by a certificate without having come with it', 'NOT_PERMITTED', async ({ world, claim }) => {
    const entry = await byCertificate(world);
    return () => claim(entry);
  }),
  atDesk('claims by a certificate and comes with another', 'NOT_PERMITTED', async ({ world, claim }) => {
    const entry = await byCertificate(world);
    return () => claim(entry, came(FACTORY.issue({ name: 'SN-2' })));
  }),
  atDesk('asks for the grant of an authority with another’s certificate', 'UNAUTHORIZED', async ({ world, desk }) => {
    await granted(world, newAuthorityGrant(FACTORY));
    return () => desk.authority(ADDRESS, encode([1, CLASS]), came(FOREIGN.issue({ name: 'SN-1' })));
  }),
];

/** A list of these lines that an operator signed without looking, and that is then handed in. */
function handsIn(how: string, change: (lines: ListLine[]) => ListLine[]): Variant {
  return atDesk(how, 'BAD_REQUEST', async ({ world, lists }) => {
    const changed = change(newList([newSigner(), newSigner()]).lines);
    const content = unhex(listRoot(sha256, changed))!;
    const view = await viewOf(world, newGrant({ kind: 'list', devices: changed.length, content }));
    return () => lists.put(view, changed);
  });
}

async function viewOf(world: World, grant: TestGrant): Promise<GrantView> {
  const { grantId } = await granted(world, grant);
  return (await world.ledger.evaluate('getGrant', hex(grantId))) as GrantView;
}

const line = (i: number): ListLine => ({
  ...{ serial: `SN-${i}`, salt: '0'.repeat(32) },
  print: i.toString(16).padStart(64, '0'),
});

const listRows: Variant[] = [
  atDesk('asks where a serial stands that he read from a label', 'UNAUTHORIZED', async ({ world, desk, lists }) => {
    const list = newList([newSigner()]);
    await lists.put(await viewOf(world, list), list.lines);
    const print = thumbprint(sha256, publicKeyOf(newSigner()));
    return () => desk.listing(ADDRESS, encodeListingAsk({ serial: 'SN-0', print }));
  }),
  atDesk('hands in another list than was signed', 'BAD_REQUEST', async ({ world, lists }) => {
    const view = await viewOf(world, newList([newSigner()]));
    return () => lists.put(view, newList([newSigner()]).lines);
  }),
  handsIn('lists one serial for two devices', ([a, b]) => [a!, { ...b!, serial: a!.serial }]),
  handsIn('lists one key for two serials', ([a, b]) => [a!, { ...b!, print: a!.print }]),
  handsIn('lists a serial that a file reads as two', ([a]) => [{ ...a!, serial: 'SN-0,SN-1' }]),
  handsIn('lists a serial with too little salt', ([a]) => [{ ...a!, salt: '00' }]),
  handsIn('lists more serials than a list may have', () =>
    Array.from({ length: LIST_DEVICES_MAX + 1 }, (_, i) => line(i)),
  ),
];

export const deskRows: Variant[] = [...codeRows, ...certificateRows, ...listRows];
