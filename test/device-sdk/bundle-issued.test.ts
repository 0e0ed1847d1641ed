/** Bundles under keys of a key generation centre: a device that never reaches a server believes them as it would online. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathAt } from '@countersign/broker/distribution/issued';
import { peaksIn } from '@countersign/broker/distribution/peaks';
import { type Code, codeOf } from '@countersign/device-sdk';
import { hex, leafHash, type TrustRoot, thumbprint } from '@countersign/device-sdk/format';
import { checkBundle } from '@countersign/device-sdk/host/bundle/check';
import { BundleFile } from '@countersign/device-sdk/host/bundle/file';
import type { BundleHead } from '@countersign/device-sdk/host/bundle/format';
import type { BundledIssue } from '@countersign/device-sdk/host/bundle/issued';
import { bundleLink } from '@countersign/device-sdk/host/bundle/link';
import {
  C1,
  implicitRoot,
  issuance,
  issueEntry,
  issueTo,
  newCentre,
  shows,
} from '@countersign/simulator/attacks/centre';
import { rotate } from '@countersign/simulator/attacks/pocket/roots';
import { consistencyPath, inclusionPath, leavesOf } from '@countersign/simulator/attacks/pocket/tree';
import type { Scene } from '@countersign/simulator/attacks/scene';
import { cosigned, PEERS, quorum, STRANGER } from '@countersign/simulator/attacks/stolen';
import test, { type ExecutionContext } from 'ava';
import { pocketBundle, writeBundle } from '../support/bundle.ts';
import { PocketServer, TIME, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;
const OLD = new Uint8Array(5_000).map((_, i) => (i * 7) % 251);
const NEW = OLD.map((byte, i) => (i % 500 === 0 ? byte ^ 85 : byte));
/** Where the entries of the two keys stand in the pocket's log. */
const FIRST_ISSUE = 3;

/** Release 1 runs on a device that has only the bundle of release 2; both signed with issued keys, which are on the record. */
async function world(t: ExecutionContext, root: Partial<TrustRoot> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-issued-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const issued = await issuance();
  const server = await PocketServer.create('M', { ...implicitRoot(issued), ...root });
  const { c1, d1, centre } = issued;
  Object.assign(server.signers, { collection: c1.signer, distribution: d1.signer });
  const others = { epoch: await issueTo(centre, { ...C1, epoch: 2 }), foreign: await issueTo(newCentre(), C1) };
  for (const item of [c1, d1, others.epoch, others.foreign]) {
    const entry = await issueEntry(server, item);
    server.log(entry);
    shows(server, item, entry);
  }
  const base = await server.publish(OLD);
  const from = server.entries.length - 1;
  let now = TIME + 60;
  const shelves: BundleFile[] = [];
  const { classId } = server;
  const ports = {
    clock: { now: () => now },
    get link() {
      return bundleLink({ shelves, classId });
    },
  };
  const device = new PocketDevice(server, base, { ports });
  await server.publish(NEW, { version: '1.0.1', bases: [base] });
  const good = await pocketBundle(server, from);
  let written = 0;
  const write = (change: Partial<BundleHead> = {}) => {
    const path = join(folder, `bundle-${written++}`);
    writeBundle(path, { ...good, ...change }, (payload) => server.frames(payload));
    const file = new BundleFile(path, sha256);
    shelves.splice(0, 1, file);
    return file;
  };
  const hears = async () => {
    await device.start();
    return device.device!.state.running.version;
  };
  const waits = (seconds: number) => {
    now += seconds;
  };
  return { issued, others, server, base, from, device, shelves, good, write, hears, waits };
}

/** Another entry of this log in the place of one. */
function entryAt(
  { server }: Awaited<ReturnType<typeof world>>,
  leafIndex: number,
): Pick<BundledIssue, 'entry' | 'path'> {
  return {
    entry: server.entries[leafIndex]!,
    path: inclusionPath(sha256, leavesOf(sha256, server.entries), leafIndex),
  };
}

test('an inclusion path of an earlier tree follows from one of a later tree and its peaks', (t) => {
  const leaves = Array.from({ length: 21 }, (_, i) => leafHash(sha256, Uint8Array.of(i)));
  for (let to = 2; to <= leaves.length; to++) {
    for (let size = 1; size < to; size++) {
      const later = leaves.slice(0, to);
      const peaks = peaksIn(consistencyPath(sha256, later, size), size, to);
      for (let i = 0; i < size; i++) {
        const made = pathAt(sha256, i, inclusionPath(sha256, later, i), peaks, size);
        const expected = inclusionPath(sha256, leaves.slice(0, size), i);
        if (made.map(hex).join() !== expected.map(hex).join()) return t.fail(`leaf ${i} of ${size}, from ${to}`);
      }
    }
  }
  return t.pass();
});

test('a device that never reaches a server takes a release of issued keys from a bundle', async (t) => {
  const w = await world(t);
  t.is(w.good.issued?.length, 2);
  const file = w.write();
  const checked = checkBundle(verifier, file, w.server.rootBytes);
  t.true(checked.anchored);
  t.is(await w.hears(), '1.0.1', w.device.codes().join());
  t.is(Buffer.compare(w.device.runningImage(NEW.length), NEW), 0);
  t.deepEqual(w.server.reports, []);
});

test('with peers a bundle needs no growth for them, and another bundle beside it does no lasting harm', async (t) => {
  const w = await world(t, { roles: { ...implicitRoot(await issuance()).roles, peer: quorum(2).peers } });
  const announcement = await cosigned({ server: w.server } as Scene, PEERS.slice(0, 2));
  const own = { announcement, growth: null };
  t.is(checkBundle(verifier, w.write(own)).cosignatures, 2);
  // For another class, whose proof is of no use here; and for this one, by a hand that spoilt the proofs.
  const spoilt = w.good.issued!.map((item) => ({ ...item, path: item.path.toReversed() }));
  const besides = [
    w.write({ ...own, classId: new Uint8Array(16), issued: spoilt }),
    w.write({ ...own, issued: spoilt }),
  ];
  w.shelves.splice(0, 1, ...besides, w.write(own));
  for (let i = 0; i < 4 && (await w.hears()) !== '1.0.1'; i++);
  t.is(w.device.device!.state.running.version, '1.0.1', w.device.codes().join());
  t.deepEqual([...new Set(w.device.codes())], ['NO_RECEIPT']);
});

test('a stale bundle of issued keys is a FREEZE, as any other', async (t) => {
  const w = await world(t);
  w.write();
  w.waits(90_000);
  t.is(await w.hears(), '1.0.0');
  t.deepEqual([...new Set(w.device.codes())], ['FREEZE']);
});

type World = Awaited<ReturnType<typeof world>>;
const first = (change: (w: World, item: BundledIssue) => Partial<BundledIssue>) => (w: World) => {
  const [c, d] = w.good.issued!;
  return { issued: [{ ...c!, ...change(w, c!) }, d!] };
};

/** What the check says, and what the device says; null where the device rightly takes it. */
const LIES: [why: string, check: Code, device: Code | null, change: (w: World) => Partial<BundleHead>][] = [
  ['no entry at all', 'NO_RECEIPT', 'UNREACHABLE', () => ({ issued: undefined })],
  ['the second signer’s entry alone', 'NO_RECEIPT', 'UNREACHABLE', (w) => ({ issued: w.good.issued!.slice(1) })],
  ['the entries in another order', 'NO_RECEIPT', null, (w) => ({ issued: [...w.good.issued!].reverse() })],
  ['an entry without its receipt', 'NO_RECEIPT', 'NO_RECEIPT', first(() => ({ path: [] }))],
  [
    'an entry at another place',
    'NO_RECEIPT',
    'NO_RECEIPT',
    first((_, { leafIndex }) => ({ leafIndex: leafIndex + 1 })),
  ],
  [
    'an entry under an older tree',
    'NO_RECEIPT',
    'NO_RECEIPT',
    first((w, { leafIndex }) => ({
      path: inclusionPath(sha256, leavesOf(sha256, w.server.entries).slice(0, w.from), leafIndex),
    })),
  ],
  ['the entry of another role', 'NO_RECEIPT', 'NO_RECEIPT', first((w) => ({ ...entryAt(w, 4), leafIndex: 4 }))],
  ['the entry of another epoch', 'NO_RECEIPT', 'NO_RECEIPT', first((w) => ({ ...entryAt(w, 5), leafIndex: 5 }))],
  ['the entry of another centre', 'NO_RECEIPT', 'NO_RECEIPT', first((w) => ({ ...entryAt(w, 6), leafIndex: 6 }))],
  ['an entry that is no issueKey', 'MALFORMED', 'MALFORMED', first((w) => ({ ...entryAt(w, 0), leafIndex: 0 }))],
];
for (const [why, check, device, change] of LIES) {
  test(`refused under issued keys: ${why}`, async (t) => {
    const w = await world(t);
    const found = t.throws(() => checkBundle(verifier, w.write(change(w))));
    t.is(codeOf(found), check);
    t.is(await w.hears(), device ? '1.0.0' : '1.0.1', w.device.codes().join());
    if (device) t.true(w.device.codes().includes(device), w.device.codes().join());
    t.deepEqual(w.device.device!.state.failed, [], 'nothing is held against the release');
    if (!device) return;
    w.write();
    t.is(await w.hears(), '1.0.1', 'the true bundle is taken afterwards');
  });
}

test('an entry from after the revocation of its centre proves nothing, one from before does', async (t) => {
  const centre = thumbprint(sha256, (await issuance()).centre.publicKey);
  for (const [logSize, code] of [[FIRST_ISSUE, 'REVOKED'] as const, [FIRST_ISSUE + 2, undefined] as const]) {
    const w = await world(t, { revocations: [{ thumbprint: centre, logSize }] });
    const check = () => checkBundle(verifier, w.write());
    if (code) t.is(codeOf(t.throws(check)), code);
    else t.notThrows(check);
    t.is(await w.hears(), code ? '1.0.0' : '1.0.1', w.device.codes().join());
    t.deepEqual([...new Set(w.device.codes())], code ? [code] : []);
  }
});

test('a trust root that pins another centre is none, unless root keys have signed it', async (t) => {
  const w = await world(t);
  const other = newCentre();
  const foreign = { ...w.issued, c1: w.others.foreign };
  const implicit = { centres: [other.publicKey, w.issued.centre.publicKey], keys: [w.issued.c1.key, w.issued.d1.key] };
  await rotate(w.server, implicitRoot({ ...foreign, implicit }), [STRANGER]);
  const announcement = await w.server.announcement();
  const file = w.write({ roots: w.server.roots, announcement });
  t.is(codeOf(t.throws(() => checkBundle(verifier, file))), 'BAD_ROOT');
  t.is(await w.hears(), '1.0.0');
  t.true(w.device.codes().includes('BAD_ROOT'), w.device.codes().join());
});

test('a bundle of keys that need no entry carries none', async (t) => {
  const w = await world(t);
  const server = await PocketServer.create('M');
  const base = await server.publish(OLD);
  const from = server.entries.length - 1;
  await server.publish(NEW, { version: '1.0.1', bases: [base] });
  const head = await pocketBundle(server, from);
  t.false('issued' in head);
  const path = join(mkdtempSync(join(tmpdir(), 'countersign-plain-')), 'bundle');
  t.teardown(() => rmSync(join(path, '..'), { recursive: true, force: true }));
  writeBundle(path, { ...head, issued: w.good.issued }, (payload) => server.frames(payload));
  t.is(codeOf(t.throws(() => checkBundle(verifier, new BundleFile(path, sha256)))), 'MALFORMED');
});
