/** One life of a ledger whose process is killed with SIGKILL again and again, wherever it happens to be. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { authorRoot } from '@countersign/broker/keys/root';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { createLedger } from '@countersign/broker/ledger/embedded/create';
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import { hex, publicKeyOf, ROLES, type Role, type Signer, unhex } from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { Prng } from '@countersign/device-sdk/rig';
import type { ExecutionContext } from 'ava';
import { addProduct, enrolDevices, enrolment, ORIGIN, sha256, type World } from '../broker/ledger-world.ts';

const DEVICES = 8;

/** @param kills how often; @param seed decides after how many acknowledgements each kill falls */
export async function killedLedger(t: ExecutionContext, kills: number, seed: string): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-kill-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const { seeds, options, devices } = await newLedger(dir);
  const args = [dir, hex(seeds.get('orderer')!), hex(seeds.get('log')!), ...devices];
  const random = new Prng(seed, 'kills');
  const acknowledged: string[] = [];
  for (let i = 0; i < kills; i++) {
    const heard = await writeUntilKilled(args, 1 + random.below(60));
    t.true(heard.length > 0, 'the process was killed before its first acknowledgement');
    acknowledged.push(...heard);
    const audit = await auditFolder(dir);
    t.deepEqual(audit.problems, [], `after kill ${i + 1}`);
  }
  const ledger = await openLedger(dir, options);
  const lost: string[] = [];
  for (const leaf of acknowledged) await ledger.receipt(unhex(leaf)!).catch(() => lost.push(leaf));
  t.deepEqual(lost, []);
  t.log(`${acknowledged.length} acknowledged over ${kills} kills, ${(await ledger.head()).head.size} entries`);
  await ledger.close();
}

async function newLedger(dir: string) {
  const seeds = new Map<string, Uint8Array>();
  const make = (name: string): Signer => {
    const { secret } = generateKeyPair(-19);
    seeds.set(name, secret);
    return nodeKeyStore(-19, secret);
  };
  const keys = Object.fromEntries(ROLES.map((role) => [role, make(role)])) as Record<Role, Signer>;
  const people = { alice: make('alice'), bob: make('bob') };
  const listed = Object.fromEntries(ROLES.map((role) => [role, role === 'peer' ? [] : [publicKeyOf(keys[role])]]));
  const options = { ordererSigner: keys.orderer, logSigner: keys.log };
  await createLedger(dir, {
    origin: ORIGIN,
    rootBytes: await authorRoot(sha256, { origin: ORIGIN, keys: listed }, [keys.root]),
    people: [await enrolment('alice', ['engineer'], people.alice), await enrolment('bob', ['approver'], people.bob)],
    ...options,
  });
  const devices = Array.from({ length: DEVICES }, (_, i) => {
    const name = `device ${i}`;
    return { id: new Uint8Array(16).fill(i + 1), signer: make(name), counter: 0, previous: new Uint8Array(32), name };
  });
  const world = { ledger: await openLedger(dir, options), keys, people } as unknown as World;
  await addProduct(world);
  await enrolDevices(world, devices);
  await world.ledger.close();
  return { seeds, options, devices: devices.map(({ id, name }) => `${hex(id)}:${hex(seeds.get(name)!)}`) };
}

/** Runs a writer and kills it after some acknowledgements. @returns the leaves that were acknowledged */
async function writeUntilKilled(args: string[], after: number): Promise<string[]> {
  const script = fileURLToPath(new URL('./ledger-writer.js', import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const heard: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [kind, leaf] = line.split(' ');
    // The last line may be cut by the kill: half a leaf was not heard.
    if (kind === 'leaf' && leaf?.length === 64) heard.push(leaf);
    if (heard.length >= after) child.kill('SIGKILL');
  }
  return heard;
}
