/**
 * The runbook's rotations on a server that is a process of its own, word for word, and the same with SIGKILL between any two
 * of their steps: next key made, root logged, releases announced anew.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { makeBundle } from '@countersign/broker/face/client/bundle';
import { ledgerSize, rootInForce } from '@countersign/broker/face/client/roots';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { keysFolder } from '@countersign/broker/face/up/folders';
import { activeKeys } from '@countersign/broker/keys/next-root';
import { Refusal } from '@countersign/device-sdk';
import { hex, kidOf, readAnnouncement, readEnvelope, readStatement } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { firstPeople, open, release } from '@countersign/simulator/scenario/people';
import test, { type ExecutionContext } from 'ava';
import { peerJoins } from '../support/ceremony.ts';
import { temporary, type Up, up } from '../support/command.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import { pause } from '../support/relay-world.ts';
import { repository } from '../support/repository.ts';

const verifier = nodeVerifier();
const PRODUCT = 'sensor-node';
/** What the runbook shows: a size of the ledger, and the key id of a peer. */
const [SHOWN_SIZE, SHOWN_PEER] = ['4711', '3c41d09be27a5f86'];

/** A server with a release that is rolled out. */
async function rolledOut(t: ExecutionContext) {
  const data = join(await temporary(t), 'server');
  const state: { server: Up } = { server: await up('--data', data, '--port', '0', '--mqtt-port', '0') };
  t.teardown(() => state.server.stop('SIGKILL'));
  // Shown at the first start alone.
  const token = state.server.ready.token!;
  const session = () => openSession(apiClient(state.server.ready.url, token));
  const people = await firstPeople(data);
  const { releaseLeaf } = await release(await session(), people, PRODUCT, '1.0.1');
  await open(await session(), people, releaseLeaf, { jitterSeconds: 0 });
  const killed = async () => {
    await state.server.stop('SIGKILL');
    state.server = await up('--data', data, '--port', '0', '--mqtt-port', '0');
  };
  return { data, session, killed, state };
}

/** The size of the ledger, as soon as the peer, where there is one, has signed it. */
async function cosignedSize(session: Session): Promise<number> {
  for (;;) {
    try {
      return await ledgerSize(session);
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'NO_QUORUM') throw error;
      await pause();
    }
  }
}

/** Until what devices are told is signed by the keys that the newest root names, and by no other. */
async function announcedAnew(session: Session, data: string): Promise<void> {
  const { root } = await rootInForce(session);
  const kids = (role: 'distribution' | 'command') =>
    activeKeys(verifier, root, role).map((key) => hex(kidOf(verifier.sha256, key)));
  for (;;) {
    const told = await announcement(session, data);
    if (told && kids('distribution').includes(told.block2) && kids('command').includes(told.rollout)) return;
    await pause();
  }
}

let bundles = 0;
async function announcement(session: Session, data: string) {
  try {
    const out = join(data, '..', `bundle${bundles++}`);
    const { head } = await makeBundle(session, { release: `${PRODUCT}@1.0.1`, full: true }, out);
    const { envelope, rollout } = readAnnouncement(head.announcement);
    const block2 = readEnvelope(verifier.sha256, envelope).block2.kid;
    return { block2: hex(block2), rollout: hex(readStatement(rollout, 'rollout').kid) };
  } catch (error) {
    // Nothing is announced for the moment: that is what is waited for.
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

/** The commands of a section that are for the folder of a running `up`, as they stand there. */
function runbook(): string[][] {
  const text = readFileSync(join(repository, 'docs/OPERATIONS.md'), 'utf8');
  const section = text.slice(
    text.indexOf('\n## Keys: exchange and theft'),
    text.indexOf('\n### Keys from a key generation'),
  );
  return [...section.matchAll(/^\$ countersign (keys rotate .*--data \.\/server)$/gm)].map((found) =>
    found[1]!.split(' '),
  );
}

test('every rotation that the runbook shows is done by the words that stand there', async (t) => {
  t.timeout(600_000);
  const { data, session } = await rolledOut(t);
  const at = (name: string) => join(data, '..', name);
  const done = async (...words: string[]) => {
    const { code, stderr, json } = await runJson<Record<string, unknown>>(...words);
    t.is(code, 0, `${words.join(' ')}: ${stderr}`);
    return json;
  };
  await peerJoins(t, { at, done, data, births: [(await rootInForce(await session())).root] });
  const [peer] = (await rootInForce(await session())).root.roles.peer.keys;
  const commands = runbook();
  t.deepEqual(new Set(commands.map(([, , role]) => role)), new Set(['distribution', 'peer', 'collection']));
  for (const words of [...commands, ['keys', 'rotate', 'collection', '--data', './server']]) {
    const meant: Record<string, string> = {
      ...{ './server': data, './peer': at('peer'), [SHOWN_PEER]: hex(kidOf(verifier.sha256, peer!)) },
      [SHOWN_SIZE]: String(await cosignedSize(await session())),
    };
    await done(...words.map((word) => meant[word] ?? word));
    await announcedAnew(await session(), data);
  }
  t.is((await rootInForce(await session())).root.version, commands.length + 3);
});

test('a server that is killed between the steps of a rotation goes on with it', async (t) => {
  t.timeout(600_000);
  const { data, session, killed, state } = await rolledOut(t);
  const file = (role: string, number: number) => join(keysFolder(data, 'distribution'), `${role}.${number}.key`);
  const rotate = (role: string) => runJson('keys', 'rotate', role, '--data', data);

  // The next key is made, no root names it: the former one signs on, and the command takes the key that is there.
  t.is((await runJson('keys', 'server', 'distribution', '--next', '--role', 'distribution', '--data', data)).code, 0);
  await killed();
  await announcedAnew(await session(), data);
  t.is((await rotate('distribution')).json.version, 2);
  t.false(existsSync(file('distribution', 3)));

  // The root is logged, and the server ends before it has made anything anew, or in the midst of it.
  await killed();
  await announcedAnew(await session(), data);

  // The server goes while the command runs: it says so, or was quicker. Called again it comes to the same end.
  const running = rotate('command');
  while (!existsSync(file('command', 2))) await new Promise(setImmediate);
  await state.server.stop('SIGKILL');
  const first = await running;
  await killed();
  const logged = (await rootInForce(await session())).root.version;
  t.true(first.code === 0 ? logged === 3 : logged === 2 || logged === 3, first.stderr);
  if (logged === 2) t.is((await rotate('command')).json.version, 3);
  t.false(existsSync(file('command', 3)), 'no key was made twice');
  await announcedAnew(await session(), data);
  const audited = await runJson('audit', join(data, 'ledger'), '--trust', join(data, 'trust-root.cbor'));
  t.is(audited.code, 0, JSON.stringify(audited.json));
});
