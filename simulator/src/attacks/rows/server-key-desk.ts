/** Row 44 at the desk of a key generation centre, and at the key files of servers and people. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Centre, openCentre } from '@countersign/broker/keys/kgc/centre';
import { type IssuedShare, listIdentity } from '@countersign/broker/keys/kgc/list';
import { requestKey } from '@countersign/broker/keys/kgc/request';
import { createPerson, loadPerson, nextPersonKey } from '@countersign/broker/keys/people';
import { openKeyRing } from '@countersign/broker/keys/ring';
import type { Code } from '@countersign/device-sdk';
import { compressed } from '@countersign/device-sdk/crypto/p256-point';
import { ALG_ESP256, hex, type Identity, unhex } from '@countersign/device-sdk/format';
import { generateKeyPair } from '@countersign/device-sdk/host/crypto';
import type { Variant } from '../attack.ts';
import { C1 } from '../centre.ts';
import { sha256 } from '../pocket/verifier.ts';
import { codeFrom } from '../server/try.ts';

const newPoint = () => compressed(generateKeyPair(ALG_ESP256).publicKey);

interface Desk {
  centre: Centre;
  /** The list of the centre. */
  folder: string;
  /** With which the key of C1 is asked for. */
  token: string;
}

/** @param work what the adversary does, in a folder of his own */
function atDesk(how: string, expect: Code, work: (desk: Desk, own: string) => Promise<unknown>): Variant {
  return inFolders(how, expect, async (folder, own) => {
    const centre = openCentre({ folder, pair: generateKeyPair(ALG_ESP256), sha256 });
    const token = await listIdentity(folder, C1);
    return () => work({ centre, folder, token }, own);
  });
}

function inFolders(
  how: string,
  expect: Code,
  prepare: (folder: string, own: string) => Promise<() => Promise<unknown>>,
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const attempt = await prepare(await ground.folder(), await ground.folder());
      const code = await codeFrom(attempt());
      return { harm: code ? undefined : 'it was accepted', codes: code ? [code] : [] };
    },
  };
}

/** A server asks for its key; on its way back the answer is changed. */
function answered(how: string, change: (share: IssuedShare) => object): Variant {
  return atDesk(how, 'BAD_KEY', ({ centre, token }, folder) => {
    const ask = async (point: string) => change(await centre.issue(C1, token, unhex(point)!));
    return requestKey({ folder, identity: C1, centre: centre.publicKey, sha256, ask });
  });
}

export const deskRows: Variant[] = [
  atDesk('asks a key generation centre with a token of its own', 'UNAUTHORIZED', ({ centre }) =>
    centre.issue(C1, 'x'.repeat(43), newPoint()),
  ),
  atDesk('asks a key generation centre for a second point of one identity', 'EXISTS', async ({ centre, token }) => {
    await centre.issue(C1, token, newPoint());
    return centre.issue(C1, token, newPoint());
  }),
  atDesk('asks a key generation centre with a point that is not compressed', 'BAD_KEY', ({ centre, token }) =>
    centre.issue(C1, token, generateKeyPair(ALG_ESP256).publicKey),
  ),
  atDesk('asks a key generation centre for a name that leads out of its list', 'BAD_REQUEST', ({ centre, token }) =>
    centre.issue({ ...C1, name: '../../c1' }, token, newPoint()),
  ),
  atDesk('puts its own listing at another identity’s place', 'BAD_STORE', async ({ centre, folder, token }) => {
    const victim: Identity = { ...C1, name: 'victim' };
    await listIdentity(folder, victim);
    await copyFile(join(folder, 'collection.1.c1.json'), join(folder, 'collection.1.victim.json'));
    return centre.issue(victim, token, newPoint());
  }),
  answered('answers a server that asks for its key with another share', (share) => ({ ...share, r: '01'.repeat(32) })),
  answered('answers a server that asks for its key with no share', () => ({ point: hex(newPoint()) })),
];

/** Alice and bob each have a key here. */
function people(how: string, expect: Code, attempt: (folder: string, alice: string) => Promise<unknown>): Variant {
  return inFolders(how, expect, async (folder) => {
    const { publicKey } = await createPerson(folder, 'alice');
    await createPerson(folder, 'bob');
    return () => attempt(folder, hex(publicKey));
  });
}

export const keyFileRows: Variant[] = [
  people('exchanges the key files of two people', 'BAD_STORE', async (folder) => {
    await copyFile(join(folder, 'bob.key'), join(folder, 'alice.key'));
    return loadPerson(folder, 'alice');
  }),
  people('puts its own key in the place of a person’s next', 'BAD_STORE', async (folder, alice) => {
    await mkdir(join(folder, 'alice.keys'));
    await copyFile(join(folder, 'bob.key'), join(folder, 'alice.keys', '2.key'));
    return nextPersonKey(folder, 'alice', alice);
  }),
  people('has another key enrolled under a person’s name', 'NOT_FOUND', (folder) =>
    loadPerson(folder, 'alice', undefined, 'ff'.repeat(32)),
  ),
  people('names a person whose key file lies elsewhere', 'BAD_REQUEST', (folder) => createPerson(folder, '../mallory')),
  inFolders('exchanges the key files of two roles', 'BAD_STORE', async (folder) => {
    await openKeyRing(folder, ['command', 'log'], { create: true });
    await copyFile(join(folder, 'command.key'), join(folder, 'log.key'));
    return () => openKeyRing(folder, ['log']);
  }),
];
