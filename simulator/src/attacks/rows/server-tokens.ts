/** Row 44: tokens that are too wide for their holder, too narrow for what is asked, or that nobody should be given. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDoor } from '@countersign/broker/face/access/door';
import { WRONG_MAX } from '@countersign/broker/face/access/factors';
import { openTokens, TOKENS_MAX } from '@countersign/broker/face/access/tokens';
import { newToken } from '@countersign/broker/face/api/token';
import { type Code, demand } from '@countersign/device-sdk';
import { hex, utf8 } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { granted, newList } from '../server/grants.ts';
import { door, EVERYTHING, guarded, type House, type Scene, waiting } from '../server/guests.ts';
import {
  act,
  enrolDevices,
  newDevice,
  newRelease,
  newSigner,
  nextReport,
  ORIGIN,
  personObject,
  previousOf,
  sha256,
  tx,
  verifier,
} from '../server/ledger-world.ts';
import { bob, dismiss, hire, proposed } from '../server/people.ts';

const TOKENS = '/api/v1/tokens';
/** Secret files that others may read are refused. */
const MODE = { mode: 0o600 };

/** For what is sent as it is. */
const NOTHING = { action: '', object: new Uint8Array(0) };

/** A list that its operator would be let in with. */
async function listed({ world }: Scene): Promise<[path: string, body: object]> {
  const { grantId, lines } = await granted(world, newList([newSigner()]));
  return [`/api/v1/grants/${hex(grantId)}/list`, { devices: lines }];
}

/** Asks for a token with the folder's own, which is stolen: what may be in none is in none of his either. */
function issues(how: string, expect: Code, asked: object): Variant {
  return door(
    how,
    expect,
    async ({ ask, owner }) =>
      () =>
        ask(owner, TOKENS, asked),
  );
}

/** What is asked with the folder's own token. */
function owner(how: string, expect: Code, path: string, house?: House, body: object = {}): Variant {
  return door(how, expect, async (scene) => () => scene.ask(scene.owner, path, body), house);
}

const narrowRows: Variant[] = [
  door('issues himself a token with a machine’s token', 'NOT_PERMITTED', async ({ machine, ask }) => {
    const token = await machine(EVERYTHING);
    return () => ask(token, TOKENS, { kind: 'machine', name: 'ci', scopes: ['relay'] });
  }),
  door('approves with a token that is for uploads', 'NOT_PERMITTED', async (scene) => {
    const deed = { ...(await waiting(scene)), token: await scene.tokenOf('bob', ['publish']) };
    return () => scene.send(deed);
  }),
  door('hands in a list with a token that is for reading', 'NOT_PERMITTED', async (scene) => {
    const list = await listed(scene);
    const token = await scene.machine(['read']);
    return () => scene.ask(token, ...list);
  }),
  door('hands in a list with an engineer’s token', 'NOT_PERMITTED', async (scene) => {
    const list = await listed(scene);
    await hire(scene.world, 'carol', ['engineer']);
    const token = await scene.tokenOf('carol');
    return () => scene.ask(token, ...list);
  }),
  door('hands in a list with a token for another product', 'NOT_PERMITTED', async (scene) => {
    const list = await listed(scene);
    const token = await scene.tokenOf('alice', EVERYTHING, ['0'.repeat(32)]);
    return () => scene.ask(token, ...list);
  }),
  door('approves a person with a token for approving releases', 'NOT_PERMITTED', async (scene) => {
    await proposed(scene.world, 'carol');
    const token = await scene.tokenOf('bob', ['approve']);
    return () => scene.send({ token, action: 'approve', object: personObject('carol') });
  }),
  door('brings a device’s report with a token for uploads', 'NOT_PERMITTED', async (scene) => {
    const device = newDevice();
    await enrolDevices(scene.world, [device]);
    const bytes = await nextReport(device);
    const token = await scene.machine(['publish']);
    return () => scene.send({ ...NOTHING, token, bytes });
  }),
  door('brings a trust root with a token for uploads', 'NOT_PERMITTED', async (scene) => {
    const token = await scene.machine(['publish']);
    return () => scene.send({ ...NOTHING, token, bytes: scene.world.rootBytes });
  }),
  door('comes with a token that nobody issued', 'UNAUTHORIZED', async (scene) => {
    const deed = await waiting(scene);
    return () => scene.send({ ...deed, token: 'A'.repeat(43) });
  }),
];

/** Is let in, and stays: a stream of events asks the door before each word, and wants yes or no. */
function lingers(how: string, token: (scene: Scene) => Promise<string>, end: (scene: Scene) => Promise<unknown>) {
  return door(how, 'UNAUTHORIZED', async (scene) => {
    const guest = await scene.door.admit(await token(scene), 'GET', '/events');
    demand(await scene.door.stays(guest), 'INTERNAL', 'he is sent away too soon');
    await end(scene);
    const stays = await scene.door.stays(guest);
    return async () => demand(stays, 'UNAUTHORIZED', 'he is sent away');
  });
}

const lingeringRows: Variant[] = [
  lingers(
    'goes on listening when his token is revoked',
    ({ machine }) => machine(['read']),
    ({ tokens }) => tokens.revoke(tokens.list()[0]!.id),
  ),
  lingers(
    'goes on listening when he is removed',
    async ({ world, tokenOf }) => {
      await hire(world, 'carol', ['auditor']);
      return tokenOf('carol', ['read']);
    },
    async ({ world }) => {
      await dismiss(world, 'carol');
      await act(world, bob(world), 'approve', personObject('carol'));
    },
  ),
];

const codeRows: Variant[] = [
  door(
    'approves for somebody who has no second factor yet',
    'BAD_FACTOR',
    async (scene) => {
      const deed = { ...(await waiting(scene)), token: await scene.tokenOf('bob') };
      return () => scene.send(deed);
    },
    { factors: 'demanded' },
  ),
  door('sends a code that can be none', 'BAD_FACTOR', async (scene) => {
    const { leaf, args } = await newRelease(scene.world, 1);
    const token = await scene.tokenOf('alice');
    const by = scene.world.people.alice!;
    return () => scene.send({ token, by, action: 'upload', object: leaf, args, code: '00000x' });
  }),
  door('uses up somebody’s tries with what that one signed for another ledger', 'BAD_STATEMENT', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    const bytes = await tx(scene.world.people.bob!, {
      ...{ channel: 'ledger.test/two', action: deed.action, object: deed.object },
      previous: await previousOf(scene.world, deed.object),
    });
    const send = () => scene.send({ ...deed, bytes, code: codeAt(-300) });
    for (let i = 0; i < WRONG_MAX; i++) await send().catch(() => undefined);
    return async () => {
      // His own code is good still: nothing was counted.
      await scene.factors.check('bob', codeAt());
      await send();
    };
  }),
  door('has a second factor shown that somebody has already', 'EXISTS', async (scene) => {
    await scene.factors.enrol('bob', false);
    return () => scene.ask(scene.owner, '/api/v1/people/bob/totp', {});
  }),
  owner('makes a second factor where none are looked at', 'UNSUPPORTED', '/api/v1/people/bob/totp', {
    factors: 'elsewhere',
  }),
];

const ownerRows: Variant[] = [
  door('has a token made for a person who was removed', 'REVOKED', async (scene) => {
    await hire(scene.world, 'carol', ['operator']);
    await dismiss(scene.world, 'carol');
    await act(scene.world, bob(scene.world), 'approve', personObject('carol'));
    return () => scene.ask(scene.owner, TOKENS, { kind: 'person', name: 'carol', scopes: ['read'] });
  }),
  issues('has a token made for a name that no file may have', 'BAD_REQUEST', {
    ...{ kind: 'machine', name: '../carol', scopes: ['read'] },
  }),
  issues('has a token made for a person that is as wide as a server’s', 'BAD_REQUEST', {
    ...{ kind: 'person', name: 'alice', scopes: ['read', 'relay'] },
  }),
  issues('has a token made with one scope twice', 'BAD_REQUEST', {
    ...{ kind: 'machine', name: 'ci', scopes: ['read', 'read'] },
  }),
  issues('has a token made for more products than are looked up', 'BAD_REQUEST', {
    ...{ kind: 'machine', name: 'ci', scopes: ['read'], products: Array.from({ length: 33 }, (_, i) => `p${i}`) },
  }),
  owner('ends a token that is not there', 'NOT_FOUND', `${TOKENS}/${'0'.repeat(16)}/revoke`),
  door('fills the folder with tokens', 'TOO_LARGE', async ({ folder, machine, clock }) => {
    await machine(['read']);
    const path = join(folder, (await readdir(folder))[0]!);
    const file = JSON.parse(await readFile(path, 'utf8')) as { id: string };
    const ids = Array.from({ length: TOKENS_MAX }, (_, i) => i.toString(16).padStart(16, '0'));
    await Promise.all(ids.map((id) => writeFile(join(folder, `${id}.json`), JSON.stringify({ ...file, id }), MODE)));
    const full = await openTokens(folder, () => clock.now);
    return async () => void (await full.issue({ kind: 'machine', name: 'ci', scopes: ['read'] }, 1));
  }),
  door('plants the hash of a token under the id of another', 'UNAUTHORIZED', async (scene) => {
    const { folder, world, machine, clock } = scene;
    await machine(['read']);
    const path = join(folder, (await readdir(folder))[0]!);
    const file = JSON.parse(await readFile(path, 'utf8')) as object;
    const own = newToken();
    const id = hex(sha256(utf8(own))).slice(0, 16);
    await writeFile(join(folder, `${id}.json`), JSON.stringify({ ...file, id }), MODE);
    const tokens = await openTokens(folder, () => clock.now);
    const { admit } = createDoor({ tokens, ledger: world.ledger, verifier, origin: ORIGIN });
    return async () => void (await admit(own, 'GET', '/api/v1/people'));
  }),
  door('plants a token that asks for a gigabyte', 'BAD_STORE', async ({ folder, machine }) => {
    await machine(['read']);
    const path = join(folder, (await readdir(folder))[0]!);
    const file = JSON.parse(await readFile(path, 'utf8')) as { kdf: object };
    await writeFile(path, JSON.stringify({ ...file, kdf: { ...file.kdf, N: 2 ** 20 } }), MODE);
    return async () => void (await openTokens(folder));
  }),
];

export const tokenRows: Variant[] = [...narrowRows, ...lingeringRows, ...codeRows, ...ownerRows];
