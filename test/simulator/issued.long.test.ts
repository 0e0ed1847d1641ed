/** Worlds whose two signers have keys of a key generation centre: one seed is one log, and the judge derives the keys itself. */
import { readBlock } from '@countersign/broker/ledger/log/block';
import { reconstructKey } from '@countersign/device-sdk/crypto/ecqv';
import {
  ALG_ESP256,
  coseKey,
  decode,
  encode,
  readStatement,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeVerifier, signWith } from '@countersign/device-sdk/host/crypto';
import { readCbor } from '@countersign/simulator/oracle/cbor';
import { Chronicle } from '@countersign/simulator/oracle/chronicle';
import { derivedKey } from '@countersign/simulator/oracle/crypto';
import { judge } from '@countersign/simulator/oracle/judge';
import { drawsKgc } from '@countersign/simulator/virtual/chaos';
import { keysOf } from '@countersign/simulator/virtual/publisher';
import type { VirtualWorld } from '@countersign/simulator/virtual/world';
import test from 'ava';
import { issueTo, newCentre } from '../support/kgc.ts';
import { run } from '../support/virtual-run.ts';

const { sha256 } = nodeVerifier();
const RAIN = { loss: 0.06, lie: 0.03, powerCut: 0 };

test('the judge derives the keys that everybody else derives, and takes no point that is none', async (t) => {
  for (let i = 0; i < 8; i++) {
    const { key, signer } = await issueTo(newCentre(), { role: 'collection', name: 'c', epoch: i });
    const message = sha256(Uint8Array.of(i));
    const [hash, centre] = [signer.publicKey.slice(0, 32), signer.publicKey.slice(65)];
    const cose = readCbor(encode(coseKey({ alg: ALG_ESP256, bytes: centre })));
    const judged = derivedKey(hash, key.point, cose);
    t.true(judged.holds(message, await signer.sign(message)));
    t.false(judged.holds(message, signWith(ALG_ESP256, generateKeyPair(ALG_ESP256).secret)(message)));
    // The sum by the other arithmetic is a key under which the same signature holds.
    const derived = reconstructKey(hash, key.point, centre);
    t.true(nodeVerifier().verify(ALG_ESP256, derived, message, await signer.sign(message)));
    t.throws(() => derivedKey(hash, new Uint8Array(33).fill(2, 0, 1).fill(4, 32), cose), undefined, 'off the curve');
    t.throws(() => derivedKey(hash, new Uint8Array(65), cose));
  }
});

/** The `issueKey` of a role is left out, replaced, or as it is. */
function altered({ ledger }: VirtualWorld, change: (role: string, leaf: Uint8Array) => Uint8Array | undefined) {
  const chronicle = new Chronicle();
  for (const block of ledger.blocks) {
    for (const leaf of readBlock(block).transactions) {
      const role = issuedRole(leaf);
      const changed = role === undefined ? leaf : change(role, leaf);
      const follows = changed && chronicle.add(changed);
      if (follows) chronicle.add(follows);
    }
  }
  return chronicle;
}

function issuedRole(leaf: Uint8Array): string | undefined {
  try {
    const [, action, , , args] = decode(readStatement(leaf, 'tx').payload) as Value[];
    return action === 'issueKey' ? ((args as Value[])[0] as string[])[0] : undefined;
  } catch {
    // Trust root and block 1 are no transactions.
    return undefined;
  }
}

test('one seed is one log, byte for byte; the judge convicts keys that are not on the record', async (t) => {
  let world: VirtualWorld | undefined;
  const story = () =>
    run('issued', 1, RAIN, ['1.0.1'], {
      kgc: true,
      begun: (begun) => {
        world = begun;
      },
    });
  const first = await story();
  t.deepEqual(first.verdict.problems, []);
  t.is(first.outcome.updated, 1);
  t.true(first.outcome.ledger.verified && first.log.startsWith('virtual  seed issued  devices 1  keys issued  '));
  t.regex(first.replay, / --kgc /);
  t.is((await story()).log, first.log);

  const { fleet } = world!;
  const problemsOf = (chronicle: Chronicle) => [...chronicle.problems, ...judge(fleet, chronicle).problems].join('\n');
  t.is(problemsOf(altered(world!, (_, leaf) => leaf)), '');
  const without = (role: string) => altered(world!, (it, leaf) => (it === role ? undefined : leaf));
  t.regex(problemsOf(without('collection')), /runs 1\.0\.1, which has no valid first signature/);
  t.regex(problemsOf(without('distribution')), /runs 1\.0\.1, whose second signature nobody heard/);
  const unproven = altered(world!, (_, leaf) => leaf.with(-70, leaf.at(-70)! ^ 1));
  t.true(unproven.problems.length === 0, 'a statement by nobody is no entry of anybody');
  t.regex(problemsOf(unproven), /runs 1\.0\.1, which has no valid first signature/);

  // An operator who puts a point on the record whose key nobody has shown to have.
  const forged = new Map<string, Uint8Array>();
  altered(world!, (role, leaf) => {
    forged.set(role, leaf);
    return leaf;
  });
  for (const [role, leaf] of forged) {
    const items = decode(readStatement(leaf, 'tx').payload) as Value[];
    const [key, possession] = items[4] as [Value, Uint8Array];
    items[4] = [key, possession.with(-1, possession.at(-1)! ^ 1)];
    forged.set(role, await signStatement(sha256, 'tx', items, keysOf('issued').operator));
  }
  const unshown = altered(world!, (role) => forged.get(role));
  t.regex(unshown.problems.join('\n'), /entry \d+ issues a key that signed no proof of possession/);
  t.regex(problemsOf(unshown), /runs 1\.0\.1, which has no valid first signature/);
});

test('of the chaos seeds some have keys of a centre, and most have not', (t) => {
  const drawn = Array.from({ length: 200 }, (_, i) => drawsKgc(`chaos-${i}`)).filter(Boolean).length;
  t.true(drawn > 20 && drawn < 90, String(drawn));
});
