/**
 * An installation that lives through the ceremony: a whole site with a peer and two key generation centres beside it. Each
 * way to replace a key is one command here, and leaves one more trust root.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { rootInForce } from '@countersign/broker/face/client/roots';
import { keysFolder, peopleFolder } from '@countersign/broker/face/up/folders';
import { type RunningKgc, startKgc } from '@countersign/broker/face/up/kgc';
import { serverIn, startPeer } from '@countersign/broker/face/up/peer';
import { activeKeys } from '@countersign/broker/keys/next-root';
import { loadPerson } from '@countersign/broker/keys/people';
import {
  encodeProvision,
  hex,
  type ImplicitRole,
  implicitKeysOf,
  implicitThumbprint,
  KID_BYTES,
  publicKeyOf,
  type Role,
  readProvision,
  type Signer,
  type TrustRoot,
  thumbprint,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { loadSigner } from '@countersign/device-sdk/host/key-file';
import { fetchFactory } from '@countersign/simulator/scenario/factory';
import type { ExecutionContext } from 'ava';
import { Child } from './child.ts';
import { temporary } from './command.ts';
import { runHereJson as runJson } from './command-here.ts';
import { PRODUCT, type Site, site } from './site.ts';

const verifier = nodeVerifier();
const { sha256 } = verifier;

export type Person = 'engineer' | 'approver' | 'operator';

type Json = Record<string, unknown>;

export interface Ceremony {
  s: Site;
  /** Of the server. */
  data: string;
  /** A file beside it. */
  at(name: string): string;
  /** The command, which must succeed. */
  done(...words: string[]): Promise<Json>;
  centres: readonly [RunningKgc, RunningKgc];
  /** Every trust root so far, in order. */
  births: TrustRoot[];
  /** A secret that somebody may run off with: the one in force. */
  keyInForce(role: Role): Promise<Signer>;
  /** What is said of a centre and of the server's next identity there; asked again, the same words. */
  from(which: 1 | 2, role: string, epoch: number): Promise<string[]>;
}

const HOLDER: Partial<Record<Role, 'ledger' | 'collection' | 'distribution' | 'root'>> = {
  ...{ log: 'ledger', orderer: 'ledger', collection: 'collection', service: 'collection' },
  ...{ distribution: 'distribution', command: 'distribution', root: 'root' },
};

export async function ceremony(t: ExecutionContext, devices: number): Promise<Ceremony> {
  const dir = await temporary(t);
  const at = (name: string) => join(dir, name);
  const centres = [await startKgc({ data: at('k1') }), await startKgc({ data: at('k2') })] as const;
  t.teardown(() => Promise.all(centres.map((centre) => centre.close())));
  const s = await site(t, devices);
  const data = join(s.folder, 'server');
  const births = [(await rootInForce(s.session)).root];
  const done = async (...words: string[]) => {
    const { code, json, stderr } = await runJson(...words);
    t.is(code, 0, `${words.slice(0, 3).join(' ')}: ${stderr}`);
    return json;
  };
  const allowed = new Map<string, string[]>();
  return {
    ...{ s, data, at, done, centres, births },
    async keyInForce(role) {
      const folder = role === 'peer' ? keysFolder(at('peer'), 'peer') : keysFolder(data, HOLDER[role]!);
      for (let number = 1; ; number++) {
        const key = await loadSigner(join(folder, number === 1 ? `${role}.key` : `${role}.${number}.key`));
        const listed = activeKeys(verifier, births.at(-1)!, role);
        if (listed.some(({ bytes }) => hex(bytes) === hex(publicKeyOf(key).bytes))) return key;
      }
    },
    async from(which, role, epoch) {
      const token = at(`${which}.${role}.${epoch}.token`);
      const before = allowed.get(token);
      if (before) return before;
      const { url, centre } = centres[which - 1]!;
      const identity = ['--role', role, '--name', 'one', '--epoch', `${epoch}`];
      await done('keys', 'allow', '--data', at(`k${which}`), ...identity, '--out', token);
      const key = hex(centre.publicKey.bytes);
      const words = ['--kgc', url, '--centre', key, '--token-file', token, '--name', 'one', '--as', 'operator'];
      allowed.set(token, words);
      return words;
    },
  };
}

/** What it takes to write, sign and submit a trust root by hand. */
export type Household = Pick<Ceremony, 'at' | 'done' | 'data' | 'births'>;

/** Root keys somewhere else: the draft travels to them and back. */
export async function byTravelling(c: Ceremony, ...words: string[]): Promise<void> {
  const draft = c.at(`${c.births.length + 1}.json`);
  await mkdir(c.at('no-keys'), { recursive: true });
  await c.done(...words, '--root-keys', c.at('no-keys'), '--out', draft, '--data', c.data);
  await signAndSubmit(c, draft);
}

export async function signAndSubmit(c: Household, draft: string): Promise<void> {
  const key = await rootKeyFile(c);
  await c.done('keys', 'root', 'sign', draft, '--key', key);
  await c.done('keys', 'root', 'submit', draft, '--data', c.data);
}

async function rootKeyFile(c: Household): Promise<string> {
  const listed = activeKeys(verifier, c.births.at(-1)!, 'root').map(({ bytes }) => hex(bytes));
  const folder = keysFolder(c.data, 'root');
  for (let number = 1; ; number++) {
    const file = join(folder, number === 1 ? 'root.key' : `root.${number}.key`);
    if (listed.includes(hex(publicKeyOf(await loadSigner(file)).bytes))) return file;
  }
}

/** A first peer follows, and is named with a quorum of one. */
export async function peerJoins(t: ExecutionContext, c: Household): Promise<void> {
  const file = c.at('peer.json');
  await writeFile(file, JSON.stringify(await c.done('keys', 'server', 'peer', '--data', c.at('peer'))));
  const { trust, ...server } = await serverIn(c.data);
  const trustRoot = new Uint8Array(await readFile(trust));
  const peer = await startPeer({ data: c.at('peer'), follow: [server], trustRoot });
  t.teardown(() => peer.close());
  const draft = c.at('joins.json');
  await c.done('keys', 'root', 'next', '--add', file, '--threshold', 'peer=1', '--data', c.data, '--out', draft);
  await signAndSubmit(c, draft);
}

export async function peerRekeys(c: Ceremony, ...words: string[]): Promise<void> {
  await c.done('keys', 'rotate', 'peer', '--peer-data', c.at('peer'), ...words, '--data', c.data);
}

/** Centres and all keys that they issued go, with all that those keys signed. */
export async function centresLeave(c: Ceremony): Promise<void> {
  const { centres, keys } = implicitKeysOf(sha256, c.births.at(-1)!);
  const prints = [
    ...keys.map((key) => implicitThumbprint(sha256, key)),
    ...centres.map((key) => thumbprint(sha256, key)),
  ];
  const words = prints.flatMap((print) => ['--remove', hex(print.slice(0, KID_BYTES))]);
  const draft = c.at('leave.json');
  await c.done('keys', 'root', 'next', ...words, '--data', c.data, '--out', draft);
  await signAndSubmit(c, draft);
}

/** Whoever has the first centre's key lists whom he likes and gets a key for it. @returns the file for the ledger */
export async function thiefsKey(c: Ceremony, role: ImplicitRole): Promise<{ key: Signer; file: string }> {
  const { url, centre } = c.centres[0];
  const [identity, token] = [['--role', role, '--name', 'thief', '--epoch', '1'], c.at(`thief.${role}.token`)];
  await c.done('keys', 'allow', '--data', c.at('k1'), ...identity, '--out', token);
  const from = ['--kgc', url, '--centre', hex(centre.publicKey.bytes), '--token-file', token];
  const { issuedFile } = await c.done('keys', 'request', ...from, ...identity, '--data', c.at('thief'));
  const key = await loadSigner(join(keysFolder(c.at('thief'), role), `${role}.key`));
  return { key, file: String(issuedFile) };
}

/** @returns the key that signs nothing more */
export async function personRekeys(c: Ceremony, name: Person, as: Person): Promise<Signer> {
  const former = c.s.people[name];
  await c.done('people', 'rekey', name, '--as', as, '--data', c.data);
  await c.done('people', 'approve', name, '--as', 'approver', '--data', c.data);
  const { publicKey } = (await c.s.session.api.get(`/api/v1/people/${name}`)) as { publicKey: string };
  c.s.people = { ...c.s.people, [name]: await loadPerson(peopleFolder(c.data), name, undefined, publicKey) };
  return former;
}

/** The first device has lost its store and its key: the same id with another key, in its next epoch. */
export async function deviceRekeys({ s }: Ceremony): Promise<Child> {
  const lost = s.children[0]!;
  const { deviceId, url } = lost;
  const factory = await fetchFactory(s.session, PRODUCT, '1.0.0');
  const { memoryClass, slotBytes, image } = factory;
  const record = encodeProvision({ ...readProvision(factory.record), deviceId, epoch: 1 });
  const board = { eraseBytes: 4096, slotBytes, storeBytes: 65_536 };
  const ports = { memoryClass, workspace: new Uint8Array(16_384), askSeconds: 5 };
  const child = new Child({ url, number: 200, record, image, board, ports });
  await enrolDevices(s.session, s.people.operator, PRODUCT, [{ id: deviceId, key: publicKeyOf(child.keys) }]);
  s.children[0] = child;
  return lost;
}
