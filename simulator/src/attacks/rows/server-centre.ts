/** A key generation centre against the ledger, which has its keys on the record, and thieves against the centre itself. */
import { apiClient } from '@countersign/broker/face/client/api-client';
import { identitiesFolder, startKgc } from '@countersign/broker/face/up/kgc';
import { listIdentity } from '@countersign/broker/keys/kgc/list';
import { issueKeyArgs, possessionValue } from '@countersign/broker/ledger/contract/issue-key-args';
import type { Code } from '@countersign/device-sdk';
import { compressed } from '@countersign/device-sdk/crypto/p256-point';
import {
  ALG_ESP256,
  asArray,
  hex,
  type Identity,
  implicitThumbprint,
  kidOf,
  type Signer,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import { generateKeyPair } from '@countersign/device-sdk/host/crypto';
import type { Variant } from '../attack.ts';
import {
  C1,
  type Centre,
  D1,
  forgedSigner,
  type Issuance,
  type Issued,
  issuance,
  issueTo,
  newCentre,
} from '../centre.ts';
import { act, newRelease, sha256, type World } from '../server/ledger-world.ts';
import { logRoot } from '../server/next-roots.ts';
import { type Attempt, codeFrom, contract } from '../server/try.ts';

/**
 * A ledger whose trust root lists no other keys for the two signers than issued ones.
 * @param beside centres that it pins beside the one that issued them
 */
export function issuing(
  how: string,
  expect: Code,
  prepare: (world: World, issued: Issuance) => Promise<Attempt>,
  beside: readonly Centre[] = [],
): Variant {
  const withKeys = async (world: World) => {
    const issued = await issuance();
    Object.assign(world.keys, { collection: issued.c1.signer, distribution: issued.d1.signer });
    return prepare(world, issued);
  };
  return contract(how, expect, withKeys, async () => {
    const { centres, keys } = (await issuance()).implicit;
    return { implicit: { centres: [...centres, ...beside.map(({ publicKey }) => publicKey)], keys } };
  });
}

export const issue = (
  world: World,
  { object, args }: Pick<Issued, 'object' | 'args'>,
  by: Signer = world.people.bob!,
) => act(world, by, 'issueKey', object, args);

async function upload(world: World): Promise<Attempt> {
  const { leaf, args } = await newRelease(world, 1);
  return () => act(world, world.people.alice!, 'upload', leaf, args);
}

/** A point with a proof of possession that another key has signed. */
async function proven(
  { key, object }: Issued,
  by: Signer,
  nonce = new Uint8Array(16),
): Promise<Pick<Issued, 'object' | 'args'>> {
  const possession = await signStatement(sha256, 'possession', possessionValue(nonce), by);
  return { object, args: issueKeyArgs({ key, possession }) };
}

/** The key as it is written, with one of its six fields exchanged: role, name, epoch, centre, suite, point. */
function rewritten({ object, args }: Issued, field: number, value: Value): Pick<Issued, 'object' | 'args'> {
  const [key, possession] = asArray(args, 'issueKey', 2);
  return { object, args: [asArray(key, 'implicit key', 6).with(field, value), possession!] };
}

/** Another centre that the trust root pins, as while one takes over from the other. */
const RIVAL = newCentre();

export const issueRows: Variant[] = [
  issuing('uploads what a key has signed that is not on the record', 'UNKNOWN_KEY', upload),
  issuing('is the centre, and uploads what its own second key has signed', 'UNKNOWN_KEY', async (world, s) => {
    await issue(world, s.c1);
    const own = await issueTo(s.centre, C1);
    await issue(world, own);
    world.keys.collection = own.signer;
    return upload(world);
  }),
  issuing('puts the point of another centre on the record', 'UNKNOWN_KEY', async (world) => {
    const stranger = await issueTo(newCentre(), C1);
    return () => issue(world, stranger);
  }),
  issuing('puts a point on the record whose key the centre only guesses', 'BAD_SIGNATURE', async (world, s) => {
    const forged = await proven(s.c1, forgedSigner(s.centre, s.c1));
    return () => issue(world, forged);
  }),
  issuing('puts a point on the record with the proof of another key', 'BAD_SIGNATURE', async (world, s) => {
    const other = await proven(s.c1, s.d1.signer);
    return () => issue(world, other);
  }),
  issuing('puts a point on the record whose proof names another key', 'BAD_SIGNATURE', async (world, s) => {
    const misnamed = await proven(s.c1, { ...s.c1.signer, publicKey: s.d1.signer.publicKey });
    return () => issue(world, misnamed);
  }),
  issuing('puts a point of another suite on the record', 'UNSUPPORTED', async (world, s) => {
    return () => issue(world, rewritten(s.c1, 4, 'ecqv-p256-sha512'));
  }),
  issuing('puts a point on the record for a role whose keys are never issued', 'MALFORMED', async (world, s) => {
    return () => issue(world, rewritten(s.c1, 0, 'log'));
  }),
  issuing(
    'is a second centre, and brings a point for an identity of the first one',
    'EXISTS',
    async (world, s) => {
      await issue(world, s.c1);
      const second = await issueTo(RIVAL, C1);
      return () => issue(world, second);
    },
    [RIVAL],
  ),
  issuing('asks for the entry of a key that is not on the record', 'NOT_FOUND', async (world, s) => {
    const print = hex(implicitThumbprint(sha256, s.c1.key));
    return () => world.ledger.evaluate('getIssuedKey', print);
  }),
  issuing('puts a point on the record under another identity', 'BAD_STATEMENT', async (world, s) => {
    return () => issue(world, { object: s.d1.object, args: s.c1.args });
  }),
  issuing('puts a point on the record with a proof over eight bytes', 'MALFORMED', async (world, s) => {
    const short = await proven(s.c1, s.c1.signer, new Uint8Array(8));
    return () => issue(world, short);
  }),
  issuing('puts a point on the record with a server’s key', 'NOT_PERMITTED', async (world, s) => {
    return () => issue(world, s.c1, world.keys.service);
  }),
];

/** What an honest operator does with a centre that was found out, and what it may still do then. */
export const convictedRows: Variant[] = [
  issuing('issues a key after two points for one identity convicted the centre', 'REVOKED', async (world, s) => {
    await issue(world, s.c1);
    await issue(world, await issueTo(s.centre, C1));
    const next = await issueTo(s.centre, { ...C1, epoch: 2 });
    return () => issue(world, next);
  }),
  issuing('issues a key after a trust root revoked the centre', 'REVOKED', async (world, s) => {
    await logRoot(world, { revoke: [{ kid: hex(kidOf(sha256, s.centre.publicKey)), logSize: 1 }] });
    return () => issue(world, s.c1);
  }),
  issuing('brings a third point of an identity, to fill the record', 'EXISTS', async (world, s) => {
    await issue(world, s.c1);
    await issue(world, await issueTo(s.centre, C1));
    const third = await issueTo(s.centre, C1);
    return () => issue(world, third);
  }),
  issuing('brings the point that stands on the record once more', 'DUPLICATE', async (world, s) => {
    await issue(world, s.c1);
    return () => issue(world, s.c1);
  }),
];

interface Asked {
  ask(identity: Identity, token: string): Promise<unknown>;
  /** Puts it on the centre's list. @returns the token for it */
  list(identity: Identity): Promise<string>;
}

/** A true centre in a folder and behind a socket; what it may not issue, it must not have issued. */
function centre(how: string, expect: Code, prepare: (centre: Asked) => Promise<Attempt>): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const data = await ground.folder();
      const running = await startKgc({ data });
      ground.after(() => running.close());
      const attempt = await prepare({
        ask: (identity, token) => {
          const point = hex(compressed(generateKeyPair(ALG_ESP256).publicKey));
          return apiClient(running.url, token).post('/api/v1/shares', { ...identity, point });
        },
        list: (identity) => listIdentity(identitiesFolder(data), identity),
      });
      const code = await codeFrom(attempt());
      return { harm: code ? undefined : 'a share was issued', codes: code ? [code] : [] };
    },
  };
}

export const shareRows: Variant[] = [
  centre('has stolen a used token, and asks the centre for a second point', 'EXISTS', async ({ ask, list }) => {
    const token = await list(C1);
    await ask(C1, token);
    return () => ask(C1, token);
  }),
  centre('asks the centre for C’s key with D’s token', 'UNAUTHORIZED', async ({ ask, list }) => {
    await list(C1);
    const token = await list(D1);
    return () => ask(C1, token);
  }),
  centre('asks the centre for the next epoch with a token of this one', 'UNAUTHORIZED', async ({ ask, list }) => {
    const token = await list(C1);
    return () => ask({ ...C1, epoch: 2 }, token);
  }),
];
