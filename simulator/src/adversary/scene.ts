/** What an adversary of the demo has: ears on the wire, the ledger that is open to all, and copies of the servers' keys. */
import { join } from 'node:path';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import { httpLedger } from '@countersign/broker/ledger/http-client';
import { demand, type Verifier } from '@countersign/device-sdk';
import { type Announcement, encodeAnnouncement, readReceipt, type Signer } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { loadSigner } from '@countersign/device-sdk/host/key-file';
import { type Overheard, takeApart } from './forge.ts';

export interface Stolen {
  /** Key C, of the collection server. */
  collection: Signer;
  /** Key D, of the distribution server. */
  distribution: Signer;
  /** The distribution server's key for rollout statements. */
  command: Signer;
}

export interface Scene {
  verifier: Verifier;
  ledger: LedgerClient;
  stolen: Stolen;
  /** A payload's frames one after another, as the server gives them to whoever knows their name. */
  payload(chainHead: string): Promise<Uint8Array>;
  /** Announcements that were on the wire, oldest first. */
  overheard: Overheard[];
  /** The same for devices of another class. */
  elsewhere: Overheard[];
}

export interface SceneOptions {
  /** The servers' folder of this demo, where their keys lie. */
  data: string;
  url: string;
  token: string;
  heard: readonly Uint8Array[];
  heardElsewhere: readonly Uint8Array[];
}

/** @throws Refusal BAD_STORE where the keys cannot be copied */
export async function openScene({ data, url, token, heard, heardElsewhere }: SceneOptions): Promise<Scene> {
  const verifier = nodeVerifier();
  const steal = (server: string, role: string) => loadSigner(join(data, server, 'keys', `${role}.key`));
  const open = (list: readonly Uint8Array[]) => list.map((bytes) => takeApart(verifier.sha256, bytes));
  return {
    verifier,
    ledger: httpLedger(url, token),
    stolen: {
      collection: await steal('collection', 'collection'),
      distribution: await steal('distribution', 'distribution'),
      command: await steal('distribution', 'command'),
    },
    async payload(chainHead) {
      const response = await fetch(new URL(`/api/v1/payloads/${chainHead}`, url), {
        headers: { authorization: `Bearer ${token}` },
      });
      demand(response.ok, 'NOT_FOUND', `no payload ${chainHead}`);
      return new Uint8Array(await response.arrayBuffer());
    },
    overheard: open(heard),
    elsewhere: open(heardElsewhere),
  };
}

/**
 * An old release in today's clothes: receipt and index proof under the newest head, which anybody may have.
 * The index proof is the true one; it names whatever the ledger names.
 */
export async function underNewestHead(
  scene: Scene,
  old: Overheard,
  rollout = old.announcement.rollout,
): Promise<Uint8Array> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { receipt } = await scene.ledger.receipt(old.releaseLeaf);
    const { index, receipt: other } = await scene.ledger.announcementProof(old.manifest.classId);
    // Both answers are of one head, unless the ledger grew between them.
    if (readReceipt(receipt).signed.fields.size !== readReceipt(other).signed.fields.size) continue;
    const parts: Announcement = { ...old.announcement, receipt, indexProof: index.proof, rollout };
    return encodeAnnouncement(parts);
  }
  throw new RangeError('the ledger grows faster than it answers');
}

const ATTEMPTS_MAX = 20;

/** The newest open announcement of a version. @throws RangeError where nobody heard one */
export function heardOf(scene: Scene, version: string): Overheard {
  const found = scene.overheard
    .filter(({ manifest, rollout }) => manifest.version === version && rollout.state === 0)
    .at(-1);
  if (!found) throw new RangeError(`nobody heard an announcement of ${version}`);
  return found;
}

export function newest(scene: Scene): Overheard {
  const last = scene.overheard.at(-1);
  if (!last) throw new RangeError('nothing was on the wire');
  return last;
}
