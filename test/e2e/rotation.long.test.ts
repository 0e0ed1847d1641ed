/**
 * The ceremony: every key is exchanged and stolen once, from the first trust root to the last, while devices sleep at every
 * version. Real servers over sockets, a peer, two key generation centres, the command for each, the true SDK on virtual boards.
 */
import { join } from 'node:path';
import type { KeyRow } from '@countersign/broker/face/client/key-row';
import { ledgerSize, rootInForce } from '@countersign/broker/face/client/roots';
import type { RoundReport } from '@countersign/broker/face/watch/types';
import { activeKeys } from '@countersign/broker/keys/next-root';
import { hex, type ImplicitRole, isImplicit, kidOf, type Role, type Signer } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { readSample } from '@countersign/firmware-samples';
import test, { type ExecutionContext } from 'ava';
import {
  byTravelling,
  type Ceremony,
  centresLeave,
  ceremony,
  deviceRekeys,
  peerJoins,
  peerRekeys,
  personRekeys,
  thiefsKey,
} from '../support/ceremony.ts';
import { runHere, runHereJson as runJson } from '../support/command-here.ts';
import { pause } from '../support/relay-world.ts';
import { PRODUCT, type Site } from '../support/site.ts';
import { nothingOfAThief, type Stolen } from '../support/stolen-keys.ts';

const verifier = nodeVerifier();

interface Thefts {
  ofRoot: Stolen['ofRoot'][number][];
  people: Signer[];
  device?: Stolen['device'];
  /** From where on the first centre is a thief's. */
  ofCentre?: string[];
}

type Step = (c: Ceremony, thefts: Thefts, t: ExecutionContext) => Promise<unknown>;

/** One command, after which the trust root is the next version; what is put in `between` changes no trust root. */
const CEREMONY: [what: string, step: Step, between?: Step][] = [
  ['distribution', exchanged('distribution')],
  ['command', exchanged('command')],
  ['log', exchanged('log')],
  ['collection', exchanged('collection')],
  ['orderer', exchanged('orderer')],
  ['root', exchanged('root')],
  ['service', exchanged('service'), (c) => personRekeys(c, 'operator', 'operator')],
  ['a peer joins', (c, _thefts, t) => peerJoins(t, c)],
  // An installation without a centre takes one: a root that pins it, and after it the one that names its key.
  [
    'a first centre',
    async (c) => byTravelling(c, 'keys', 'rotate', 'collection', ...(await c.from(1, 'collection', 1))),
  ],
  ['collection, issued', issued('collection', 1, 1), noSecondCentre],
  ['distribution, issued', issued('distribution', 1, 1)],
  ['peer', (c) => peerRekeys(c), deviceLost],
  ['distribution, issued, stolen', issued('distribution', 1, 2, 'UNKNOWN_KEY'), listed],
  [
    'a stolen centre makes room',
    async (c, thefts) => byTravelling(c, ...(await newCentre(c, thefts))),
    trickedOperator,
  ],
  ['a stolen centre', async (c, thefts) => c.done(...(await newCentre(c, thefts)), '--data', c.data), tooLate],
  ['collection, issued, stolen', stolen('collection', 'UNKNOWN_KEY')],
  ['distribution, issued', exchanged('distribution')],
  ['no centre any more', centresLeave],
  ['distribution, stolen', stolen('distribution')],
  ['command, stolen', stolen('command')],
  ['collection, stolen', stolen('collection')],
  ['log, stolen', stolen('log')],
  ['root, stolen', stolen('root')],
  ['service, stolen', stolen('service'), approverLost],
  ['orderer, stolen', stolen('orderer')],
  ['peer, stolen', peerStolen],
];
/** Devices that slept from each version on, and one that is awake all the time. */
const DEVICES = CEREMONY.length + 2;
/** The servers are started anew after this one. */
const RESTART_AFTER = 'distribution, issued, stolen';

function exchanged(role: Role): Step {
  return (c) => c.done('keys', 'rotate', role, '--data', c.data);
}

/** The words that say from where on the key's work is a thief's: the size that the ledger has now. */
async function since(c: Ceremony): Promise<string[]> {
  return ['--stolen-from', String(await ledgerSize(c.s.session))];
}

/** @param code UNKNOWN_KEY for what is taken out of the trust root before the end */
function stolen(role: Role, code: 'REVOKED' | 'UNKNOWN_KEY' = 'REVOKED'): Step {
  return async (c, { ofRoot }) => {
    ofRoot.push({ role, key: await c.keyInForce(role), code });
    await c.done('keys', 'rotate', role, ...(await since(c)), '--data', c.data);
  };
}

/** @param code of a key that was stolen */
function issued(role: ImplicitRole, centre: 1 | 2, epoch: number, code?: 'UNKNOWN_KEY'): Step {
  return async (c, { ofRoot }, t) => {
    if (code) ofRoot.push({ role, key: await c.keyInForce(role), code });
    const words = code ? await since(c) : [];
    await c.done('keys', 'rotate', role, ...(await c.from(centre, role, epoch)), ...words, '--data', c.data);
    const { root } = await rootInForce(c.s.session);
    t.deepEqual(activeKeys(verifier, root, role).map(isImplicit), [true], 'one key, and it is of the centre');
  };
}

/** Of two centres at once each could be the one that nobody looks at. */
async function noSecondCentre(c: Ceremony, _thefts: Thefts, t: ExecutionContext): Promise<void> {
  const words = await c.from(2, 'distribution', 1);
  const { json } = await runJson('keys', 'rotate', 'distribution', ...words, '--data', c.data);
  t.is(json.error?.code, 'UNKNOWN_KEY', 'a centre is exchanged with all its keys, by keys rotate kgc');
}

/** What keys list says in the midst of it: of each issued key which one it is, of whom, where it lies, what would break. */
async function listed(c: Ceremony, _thefts: Thefts, t: ExecutionContext): Promise<void> {
  const { json: rows } = await runJson<KeyRow[]>('keys', 'list', '--data', c.data);
  const of = (kind: string, epoch: number) => rows.find((row) => row.kind === kind && row.epoch === epoch)!;
  const centre = hex(kidOf(verifier.sha256, c.centres[0].centre.publicKey));
  const one = { name: 'one', centre, publicKey: null, kept: 'open' };
  t.like(of('collection', 1), { ...one, state: 'active', namedBy: 'trust roots 11 to 14' });
  t.like(of('distribution', 1), { ...one, state: 'revoked', namedBy: 'trust roots 12 to 14' });
  t.like(of('distribution', 2), { ...one, state: 'active', namedBy: 'trust root 14' });
  t.regex(of('distribution', 2).file!, /distribution\.\d\.key$/);
  t.regex(of('distribution', 2).without, /second signature/);
  // Asked for and refused, it is of no trust root and not on the record: a file alone says whose it is.
  const other = hex(kidOf(verifier.sha256, c.centres[1].centre.publicKey));
  t.true(rows.some((row) => row.centre === other && row.epoch === 1 && row.state === 'next' && row.namedBy === null));
  t.like(rows.find(({ kid }) => kid === centre)!, { kind: 'kgc', state: 'active', file: null });
  t.true(rows.find(({ kid }) => kid === centre)!.lastUsed!.entry! > 0, 'when it issued the newest key on the record');
  const { stdout } = await runHere('keys', 'list', '--data', c.data);
  t.true(stdout.includes(`one, epoch 2, of centre ${centre}`));
}

/** Both calls say from where on: what the thief did between them is after it. */
async function newCentre(c: Ceremony, thefts: Thefts): Promise<string[]> {
  thefts.ofCentre ??= await since(c);
  const tokens = [...(await c.from(2, 'collection', 2)), ...(await c.from(2, 'distribution', 3))];
  return ['keys', 'rotate', 'kgc', ...tokens, ...thefts.ofCentre];
}

/** The thief of the centre issues a key to himself, and somebody puts it on the record: no root lists it. */
async function trickedOperator(c: Ceremony, { ofRoot }: Thefts): Promise<void> {
  const { key, file } = await thiefsKey(c, 'collection');
  await c.done('keys', 'issue', file, '--as', 'operator', '--data', c.data);
  ofRoot.push({ role: 'collection', key, code: 'UNKNOWN_KEY' });
}

async function tooLate(c: Ceremony, { ofRoot }: Thefts, t: ExecutionContext): Promise<void> {
  const { key, file } = await thiefsKey(c, 'distribution');
  const { json } = await runJson('keys', 'issue', file, '--as', 'operator', '--data', c.data);
  t.is(json.error?.code, 'REVOKED', 'a centre that was stolen issues nothing more');
  ofRoot.push({ role: 'distribution', key, code: 'UNKNOWN_KEY' });
}

async function deviceLost(c: Ceremony, thefts: Thefts): Promise<void> {
  thefts.device = await deviceRekeys(c);
}

async function approverLost(c: Ceremony, { people }: Thefts): Promise<void> {
  people.push(await personRekeys(c, 'approver', 'operator'));
}

async function peerStolen(c: Ceremony, { ofRoot }: Thefts): Promise<void> {
  ofRoot.push({ role: 'peer', key: await c.keyInForce('peer'), code: 'REVOKED' });
  await peerRekeys(c, ...(await since(c)));
}

test('every key is exchanged and stolen: no device is locked out, believes a thief, or loses the current release', async (t) => {
  t.timeout(600_000);
  const c = await ceremony(t, DEVICES);
  const { s, births } = c;
  const thefts: Thefts = { ofRoot: [], people: [] };
  const awake = s.children.at(-1)!;
  const first = await s.roll('1.0.1');
  awake.start();
  await awake.until((own) => own.version === '1.0.1');
  await sleepAt(s, 1);
  for (const [i, [what, step, between]] of CEREMONY.entries()) {
    await step(c, thefts, t);
    births.push((await rootInForce(s.session)).root);
    t.is(births.at(-1)!.version, i + 2, what);
    if (what === RESTART_AFTER) {
      await s.serverGoes();
      await s.serverComes();
    }
    // It is awake under every root, and each device sleeps from one of them on, with the release that it had.
    await awake.until(({ device }) => device!.state.head.rootVersion === i + 2);
    await sleepAt(s, i + 2);
    await between?.(c, thefts, t);
  }
  t.is(births.length, CEREMONY.length + 1);
  await nothingOfAThief(t, s, { ...thefts, device: thefts.device! }, births);
  await everybodyUpdates(t, c, first);
  await watchers(t, c);
  const audited = await runJson('audit', join(c.data, 'ledger'), '--trust', join(c.data, 'trust-root.cbor'));
  t.is(audited.code, 0, audited.stderr);
});

/** The next device wakes, comes to this trust root and to the release that is current, and sleeps. */
async function sleepAt(s: Site, version: number): Promise<void> {
  const child = s.children[version - 1]!;
  child.start();
  await child.until(({ device }) => device!.state.root.root.version === version && child.version === '1.0.1');
  await child.stop();
}

async function everybodyUpdates(t: ExecutionContext, { s, births }: Ceremony, first: string): Promise<void> {
  const second = await s.roll('1.1.0');
  for (const child of s.children.slice(0, -1)) child.start();
  await Promise.all(s.children.map((child) => child.until((own) => own.version === '1.1.0')));
  const image = new Uint8Array(readSample(PRODUCT, '1.1.0'));
  for (const child of s.children) {
    t.is(child.device!.state.root.root.version, births.length);
    t.deepEqual(child.image(image.length), image);
  }
  while ((await s.updated(second)) < DEVICES) await pause();
  t.true((await s.updated(first)) > 0);
}

/** Auditors who hold the first root and the newest one: roots are told to the former alone, and nothing else to anybody. */
async function watchers(t: ExecutionContext, c: Ceremony): Promise<void> {
  const newest = c.at('newest.cbor');
  await c.done('keys', 'root', 'current', '--data', c.data, '--out', newest);
  const look = async (trust: string, state: string) => {
    const words = [
      '--watch',
      c.s.session.api.url,
      '--once',
      '--alarm',
      'true',
      '--state',
      c.at(state),
      '--trust',
      trust,
    ];
    return (await runJson<RoundReport>('audit', ...words)).json;
  };
  const first = join(c.data, 'trust-root.cbor');
  const raised = [...(await look(first, 'first')).raised, ...(await look(first, 'first')).raised];
  t.deepEqual([raised.length, new Set(raised.map(({ kind }) => kind))], [CEREMONY.length, new Set(['new-root'])]);
  const late = await look(newest, 'newest');
  const { size } = (await c.s.session.api.get('/api/v1/head')) as { size: number };
  t.deepEqual([late.raised, late.standing, late.anchored], [[], [], true]);
  t.true(late.entries > CEREMONY.length && late.entries <= size);
}
