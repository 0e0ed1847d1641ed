/** Row 44 at the desk for passports: who hands one in, what it says, which document is in force, what is planned by it. */
import { objectDigest, rejectArgs } from '@countersign/broker/ledger/contract/args';
import { passportArgs, type Subject, subjectId } from '@countersign/broker/ledger/contract/passport-args';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { type DeskParts, findPassport, takePassport } from '@countersign/broker/passport/desk';
import { appliesToFleet, demandApplies } from '@countersign/broker/passport/fleet';
import { type Component, type Passport, signPassport } from '@countersign/broker/passport/passport';
import type { Code } from '@countersign/device-sdk';
import {
  asArray,
  decode,
  hex,
  readStatement,
  type Signer,
  signStatement,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { memoryBlobs } from '../../virtual/blobs.ts';
import type { Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import {
  act,
  enrolDevices,
  manifestOf,
  newDevice,
  newRelease,
  newSigner,
  ORIGIN,
  personObject,
  publish,
  sha256,
  type TestRelease,
  tx,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { alice, bob, dismiss, hire } from '../server/people.ts';
import { type Attempt, inWorld } from '../server/try.ts';

interface Desk {
  world: World;
  parts: DeskParts;
  /** Of a device that is enrolled and has no passport yet. */
  own: Subject;
  /** The very passport that bob would sign for it. */
  honest: Passport;
}

const application = (sequence: number): Component => ({
  name: 'app',
  version: `1.${sequence}.0`,
  ...manifestOf(sequence).image,
});
const component = (name: string): Component => ({ ...application(1), name });
const numbered = (count: number) => Array.from({ length: count }, (_, i) => component(`c${i + 10}`));

function passportOf(subject: Subject, change: Partial<Passport> = {}): Passport {
  const said = { hardware: 'B', bootloader: '2.1.0', sdk: '0.1.0', components: [application(1), component('radio')] };
  return { origin: ORIGIN, subject, serial: 1, issuedAt: 1_800_000_000, ...said, ...change };
}

/** A device is enrolled, and nothing is kept of it. */
function atDesk(how: string, expect: Code, prepare: (desk: Desk) => Promise<Attempt>): Variant {
  return inWorld(how, expect, async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const own: Subject = { kind: 'device', id: device.id };
    const parts = { ledger: world.ledger, blobs: memoryBlobs(verifier), verifier };
    return prepare({ world, parts, own, honest: passportOf(own) });
  });
}

/** Who hands it in holds the API's token, and has the document kept if it can: nothing may be kept. */
function handed(how: string, expect: Code, make: (desk: Desk) => Promise<Uint8Array>): Variant {
  return {
    how: `hands in a passport ${how}`,
    expect,
    async run(ground) {
      let kept = 0;
      const { run } = atDesk(how, expect, async (desk) => {
        const document = await make(desk);
        const put = async (bytes: Uint8Array) => {
          kept++;
          return sha256(bytes);
        };
        const parts = { ...desk.parts, blobs: { ...desk.parts.blobs, put } };
        return () => takePassport(parts, document);
      });
      const { harm, codes } = await run(ground);
      return { harm: kept > 0 ? 'the document was kept' : harm, codes };
    },
  };
}

const signedBy = ({ honest }: Desk, by: Signer, change: Partial<Passport> = {}) =>
  signPassport(sha256, { ...honest, ...change }, by);

/** By bob, who may, with something in it that he would not say. */
const said = (how: string, expect: Code, change: (honest: Passport) => Partial<Passport>) =>
  handed(how, expect, (desk) => signedBy(desk, bob(desk.world), change(desk.honest)));

/** By bob, over an array that no writer of ours makes. */
const written = (how: string, expect: Code, change: (items: readonly Value[]) => Value) =>
  handed(how, expect, async (desk) => {
    const { payload } = readStatement(await signedBy(desk, bob(desk.world)), 'passport');
    return signStatement(sha256, 'passport', change(asArray(decode(payload), 'passport')), bob(desk.world));
  });

const handedRows: Variant[] = [
  handed('that nobody has signed', 'UNKNOWN_KEY', (desk) => signedBy(desk, newSigner())),
  handed('that a server has signed', 'UNKNOWN_KEY', (desk) => signedBy(desk, desk.world.keys.service)),
  handed('as an engineer', 'NOT_PERMITTED', async (desk) =>
    signedBy(desk, await hire(desk.world, 'carol', ['engineer'])),
  ),
  handed('as an operator who has left', 'REVOKED', async (desk) => {
    const carol = await hire(desk.world, 'carol', ['operator']);
    await dismiss(desk.world, 'carol');
    await act(desk.world, bob(desk.world), 'approve', personObject('carol'));
    return signedBy(desk, carol);
  }),
  handed('under the name of an operator', 'BAD_SIGNATURE', (desk) =>
    signedBy(desk, { ...newSigner(), publicKey: bob(desk.world).publicKey }),
  ),
  handed('in whose signature a bit is turned', 'BAD_SIGNATURE', async (desk) => {
    const bytes = await signedBy(desk, bob(desk.world));
    return flipped(bytes, bytes.length - 1);
  }),
  handed('that is a transaction', 'WRONG_TYPE', ({ world }) =>
    tx(bob(world), { action: 'passport', object: sha256(utf8('x')) }),
  ),
  said('of another ledger', 'BAD_STATEMENT', () => ({ origin: 'ledger.test/two' })),
  said('of five kilobytes', 'TOO_LARGE', () => ({ hardware: 'x'.repeat(5_000) })),
  said('of seventeen components', 'TOO_LARGE', () => ({ components: [application(1), ...numbered(16)] })),
  said('of no component', 'TOO_LARGE', () => ({ components: [] })),
  said('with a component twice', 'MALFORMED', () => ({ components: [application(1), application(2)] })),
  said('without the application', 'BAD_STATEMENT', () => ({ components: [component('radio')] })),
  written('of another version', 'UNSUPPORTED', (items) => [2, ...items.slice(1)]),
  written('with a field too many', 'MALFORMED', (items) => [...items, 0]),
  written('whose components stand in another order', 'MALFORMED', (items) =>
    items.with(8, [...asArray(items[8], 'components')].reverse()),
  ),
  atDesk('hands in a passport at a server that keeps none', 'UNSUPPORTED', async (desk) => {
    const document = await signedBy(desk, bob(desk.world));
    const { blob } = desk.parts.blobs;
    return () => takePassport({ ...desk.parts, blobs: { blob } }, document);
  }),
];

/** An operator's word on the record: the passport with this digest is the one of this serial. */
async function recorded({ world, own }: Desk, document: Uint8Array, serial: number): Promise<void> {
  const args = passportArgs({ subject: own, serial, digest: sha256(document) });
  await act(world, bob(world), 'passport', objectDigest(sha256, 'passport', subjectId(own)), args);
}

/** The document is in the server's folder, and the record names it under each of these serials. */
function inForce(how: string, serials: readonly number[], make: (honest: Passport) => Passport): Variant {
  return atDesk(how, 'BAD_STATEMENT', async (desk) => {
    const document = await signPassport(sha256, make(desk.honest), bob(desk.world));
    await desk.parts.blobs.put!(document);
    for (const serial of serials) await recorded(desk, document, serial);
    return () => findPassport(desk.parts, 'device', hex(desk.own.id));
  });
}

const namedRows: Variant[] = [
  inForce('puts the passport of another device on the record', [1], (honest) => ({
    ...honest,
    subject: { kind: 'device', id: sha256(utf8('another')).slice(0, 16) },
  })),
  inForce('puts the passport of a class on the record as a device’s', [1], (honest) => ({
    ...honest,
    subject: { ...honest.subject, kind: 'product' },
  })),
  inForce('puts an older passport on the record under a newer serial', [1, 2], (honest) => honest),
  atDesk('asks for the passport of a device that has none', 'NOT_FOUND', async ({ parts, own }) => {
    return () => findPassport(parts, 'device', hex(own.id));
  }),
  atDesk('puts a passport on the record that nobody keeps', 'NOT_FOUND', async (desk) => {
    await recorded(desk, await signedBy(desk, bob(desk.world)), 1);
    return () => findPassport(desk.parts, 'device', hex(desk.own.id));
  }),
];

/** Release 2 is asked for, and the one device that has a passport runs what that says. */
function planned(
  how: string,
  expect: Code,
  runs: number,
  second: (world: World, first: TestRelease) => Promise<TestRelease>,
): Variant {
  return atDesk(how, expect, async (desk) => {
    const { world, parts } = desk;
    const { leaf } = await second(world, await publish(world, 1));
    const document = await signedBy(desk, bob(world), { components: [application(runs)] });
    await recorded(desk, await parts.blobs.blob(await takePassport(parts, document)), 1);
    const release = (await world.ledger.evaluate('getRelease', hex(leaf))) as ReleaseView;
    return async () => demandApplies(await appliesToFleet(parts, release));
  });
}

const plannedRows: Variant[] = [
  planned('opens a rollout of what all devices run already', 'DUPLICATE', 2, (world, first) =>
    publish(world, 2, first.leaf),
  ),
  planned('plans a rollout of what was rejected', 'NOT_APPROVED', 1, async (world, first) => {
    const release = await newRelease(world, 2, first.leaf);
    await act(world, alice(world), 'upload', release.leaf, release.args);
    await act(world, bob(world), 'reject', release.leaf, rejectArgs('no'));
    return release;
  }),
];

export const passportDeskRows: Variant[] = [...handedRows, ...namedRows, ...plannedRows];
