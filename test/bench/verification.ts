/**
 * Milliseconds of processor time in which one device believes an announcement: shape, proof and verification of a release with two
 * signatures, receipt at a million entries, index proof and rollout statement. Run after a build:
 *   node test/dist/bench/verification.js
 * Each backend runs in a process of its own, so that "first" has nothing compiled and no key imported before it.
 */
import { execFileSync } from 'node:child_process';
import type { Verifier } from '@countersign/device-sdk';
import { nobleVerifier } from '@countersign/device-sdk/crypto/noble';
import { tweetnaclVerifier } from '@countersign/device-sdk/crypto/tweetnacl';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { needsOf, openRoot, proveRelease, shapeAnnouncement, verifyRelease } from '@countersign/device-sdk/verify';
import { bench, type Cell, millisecondsEach } from '../support/bench.ts';
import { type LargeLog, largeLog } from '../support/large-log.ts';

const backends: Record<string, () => Verifier> = {
  node: () => nodeVerifier(),
  noble: nobleVerifier,
  tweetnacl: tweetnaclVerifier,
};
const GOAL_MS = 2;
const BASES = 2;
const BUDGET_MS = 2_000;

const [name] = process.argv.slice(2);
if (name === undefined) main();
else await measure(backends[name]!(), (...cells) => console.log(JSON.stringify(cells)));

function main(): void {
  const row = bench('backend', 'what', 'quorum', 'signatures', 'ms', 'goal_ms');
  for (const backend of Object.keys(backends)) {
    const output = execFileSync(process.execPath, [import.meta.filename, backend], { encoding: 'utf8' });
    for (const line of output.trim().split('\n')) row(backend, ...(JSON.parse(line) as Cell[]));
  }
}

async function measure(verifier: Verifier, row: (...cells: Cell[]) => void): Promise<void> {
  for (const quorum of [0, 1] as const) {
    const log = await largeLog(BASES, quorum);
    const counting = counted(verifier);
    const first = performance.now();
    believe(counting.verifier, log);
    const firstMs = performance.now() - first;
    const signatures = counting.verified();
    const each = await millisecondsEach(() => believe(verifier, log), BUDGET_MS);
    if (quorum === 0) row('announcement, first, by the clock', quorum, signatures, firstMs.toFixed(2), '');
    row('announcement', quorum, signatures, each.toFixed(3), name === 'node' ? GOAL_MS : '');
    if (quorum === 1) continue;
    const root = await millisecondsEach(() => openRoot(verifier, log.root), BUDGET_MS);
    row('trust root at boot', quorum, 1, root.toFixed(3), '');
  }
}

/** As a device walks the steps, in the order in which the types let it. */
function believe(verifier: Verifier, { bytes, trust, proofs, resources }: LargeLog): void {
  const proven = proveRelease(verifier, shapeAnnouncement(verifier, bytes), trust);
  needsOf(proven, trust);
  verifyRelease(verifier, proven, trust, proofs, resources);
}

function counted(verifier: Verifier): { verifier: Verifier; verified(): number } {
  let count = 0;
  const verify: Verifier['verify'] = (...args) => {
    count++;
    return verifier.verify(...args);
  };
  return { verifier: { ...verifier, verify }, verified: () => count };
}
