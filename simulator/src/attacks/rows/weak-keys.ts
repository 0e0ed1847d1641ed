/** Keys that bind nobody: enrolled, put into a trust root, issued by a centre, or handed to an auditor. Rows 3, 24, 31. */
import { ECDSA_NOTE, ED25519_NOTE, encodeVkey, noteKey, readVkey } from '@countersign/broker/ledger/c2sp/vkey';
import { enrolDevicesArgs, enrolPersonArgs } from '@countersign/broker/ledger/contract/args';
import { identityDigest, issueKeyArgs } from '@countersign/broker/ledger/contract/issue-key-args';
import type { Code, Verifier } from '@countersign/device-sdk';
import { littleEndian } from '@countersign/device-sdk/crypto/arithmetic';
import { nobleEd25519Verifier } from '@countersign/device-sdk/crypto/noble-ed25519';
import { bytes32 } from '@countersign/device-sdk/crypto/p256-point';
import { tweetnaclVerifier } from '@countersign/device-sdk/crypto/tweetnacl';
import {
  ALG_ED25519,
  ALG_ESP256,
  asArray,
  asBytes,
  concat,
  decodeSign1,
  encodeRoot,
  encodeSignedRoot,
  type PublicKey,
  publicKeyOf,
  signDetached,
} from '@countersign/device-sdk/format';
import { openRoot } from '@countersign/device-sdk/verify';
import type { Variant } from '../attack.ts';
import { relabelled } from '../forge.ts';
import { PocketServer } from '../pocket/publisher.ts';
import { heard } from '../scene.ts';
import {
  act,
  CLASS,
  DEVICES_OBJECT,
  newDevice,
  newSigner,
  personObject,
  sha256,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { nextRoot } from '../server/next-roots.ts';
import { alice } from '../server/people.ts';
import { contract, refused } from '../server/try.ts';
import { rotated } from '../stolen.ts';
import { WEAK_KEYS, type WeakKey } from '../weak-keys.ts';
import { issue, issuing } from './server-centre.ts';

/** As long as no key is: refused where a COSE_Key is read. */
const WRONG_LENGTHS: readonly WeakKey[] = [31, 33].map((length) => ({
  what: `of ${length} bytes`,
  key: { alg: ALG_ED25519, bytes: concat(newSigner().publicKey, Uint8Array.of(0)).slice(0, length) },
}));

/** Where the check is the one of another door, and only whether it is asked is tried. */
const ONE_OF_EACH = [ALG_ED25519, ALG_ESP256].map((alg) => WEAK_KEYS.find(({ key }) => key.alg === alg)!);

/** With each weak key at one door. */
function each(make: (key: PublicKey, what: string, expect: Code) => Variant): Variant[] {
  return [
    ...WEAK_KEYS.map(({ key, what }) => make(key, what, 'BAD_KEY')),
    ...WRONG_LENGTHS.map(({ key, what }) => make(key, what, 'MALFORMED')),
  ];
}

const enrolDevice = (world: World, key: PublicKey) =>
  act(
    world,
    world.keys.service,
    'enrol',
    DEVICES_OBJECT,
    enrolDevicesArgs({ classId: CLASS, devices: [{ id: newDevice().id, key }] }),
  );

const enrolPerson = (world: World, key: PublicKey) =>
  act(
    world,
    alice(world),
    'enrol',
    personObject('mallory'),
    enrolPersonArgs({ name: 'mallory', roles: ['approver'], key }),
  );

/** Row 24: at the ledger's door, and in what an auditor is given. */
export const weakKeyRows: Variant[] = [
  ...each((key, what, expect) =>
    contract(`enrols a device with a key ${what}`, expect, async (world) => () => enrolDevice(world, key)),
  ),
  ...ONE_OF_EACH.map(({ key, what }) =>
    contract(`enrols a person with a key ${what}`, 'BAD_KEY', async (world) => () => enrolPerson(world, key)),
  ),
  ...WEAK_KEYS.map(({ key, what }) => noted(`gives an auditor a key ${what}`, key)),
  ...WRONG_LENGTHS.map(({ key, what }) => noted(`gives an auditor a key ${what}`, key)),
  noted('gives an auditor a point of P-256 in a hybrid form', {
    alg: ALG_ESP256,
    bytes: newSigner(ALG_ESP256).publicKey.with(0, 6),
  }),
];

/** In the text form of auditors and witnesses, whose id is of the very bytes: only the key itself is wrong. */
function noted(how: string, key: PublicKey): Variant {
  const type = key.alg === ALG_ESP256 ? ECDSA_NOTE : ED25519_NOTE;
  return refused(how, 'BAD_KEY', () => readVkey(verifier, encodeVkey(noteKey(sha256, 'auditor.example', type, key))));
}

/** Row 31: in the next trust root, which the root keys have signed. */
export const weakRootRows: Variant[] = [
  ...each((key, what, expect) =>
    heard(`lists a command key ${what} in the next trust root`, expect, (s) => {
      const { roles } = s.server.root;
      const command = { ...roles.command, keys: [...roles.command.keys, key] };
      return rotated(s, [s.server.signers.root], roles.root, { roles: { ...roles, command } });
    }),
  ),
  ...ONE_OF_EACH.map(({ key, what }) =>
    contract(`logs a trust root that lists a service key ${what}`, 'BAD_KEY', async (world) => {
      const bytes = await nextRoot(world, { add: [{ role: 'service', key }] });
      return () => world.ledger.submit(bytes);
    }),
  ),
  firstRoot('gives a build without P-256 a trust root with a key on it', 'UNSUPPORTED', nobleEd25519Verifier(), {
    keyed: () => publicKeyOf(newSigner(ALG_ESP256)),
  }),
  // tweetnacl takes it: what is no number below the order is for the guard alone to refuse.
  firstRoot(
    'makes a second signature of a trust root out of the first, for tweetnacl',
    'BAD_ROOT',
    tweetnaclVerifier(),
    {
      signed: (statement) => relabelled(statement, { signature: plusOrder(decodeSign1(statement).signature) }),
    },
  ),
];

interface FirstRoot {
  /** The command key. */
  keyed?: () => PublicKey;
  /** The root key's signature over it. */
  signed?: (statement: Uint8Array) => Uint8Array;
}

/** A build of the SDK is born with this trust root. */
function firstRoot(how: string, expect: Code, build: Verifier, { keyed, signed = (it) => it }: FirstRoot): Variant {
  return refused(how, expect, async () => {
    const { root, signers } = new PocketServer();
    const command = { ...root.roles.command, ...(keyed && { keys: [keyed()] }) };
    const payload = encodeRoot({ ...root, roles: { ...root.roles, command } });
    const statement = await signDetached(sha256, 'root', payload, signers.root);
    return openRoot(build, encodeSignedRoot(payload, [signed(statement)]));
  });
}

/** The same s modulo the order of the group, in other bytes (RFC 8032 section 5.1.7). */
function plusOrder(signature: Uint8Array): Uint8Array {
  const s = littleEndian(signature.subarray(32)) + 2n ** 252n + 27742317777372353535851937790883648493n;
  return concat(signature.subarray(0, 32), bytes32(s).reverse());
}

/** Compressed, and of no point: an x without one, one that is not below the prime, and zeros, as infinity is written. */
const NO_POINTS: readonly [what: string, point: Uint8Array][] = [
  ['off the curve', concat(Uint8Array.of(2), new Uint8Array(32).with(31, 4))],
  ['whose x is not below the prime', concat(Uint8Array.of(3), new Uint8Array(32).fill(255))],
  ['in a hybrid form', concat(Uint8Array.of(6), newSigner(ALG_ESP256).publicKey.slice(1, 33))],
  ['that writes infinity as zeros', new Uint8Array(33)],
];

/** Row 3: a centre issues what is no point. */
export const noPointRows: Variant[] = NO_POINTS.map(([what, point]) =>
  issuing(`puts a point ${what} on the record`, 'BAD_KEY', async (world, { c1 }) => {
    const key = { ...c1.key, point };
    const possession = asBytes(asArray(c1.args, 'issueKey', 2)[1], 'possession');
    return () => issue(world, { object: identityDigest(sha256, key), args: issueKeyArgs({ key, possession }) });
  }),
);
