/** What a peer shows to auditors: the log from its own copy, and itself as a witness. */
import { join } from 'node:path';
import { Refusal, type Verifier } from '@countersign/device-sdk';
import { ALG_ED25519, equal, publicKeyOf, type Signer } from '@countersign/device-sdk/format';
import { readCheckpoint } from '../../ledger/c2sp/checkpoint.ts';
import type { CheckpointStore } from '../../ledger/c2sp/checkpoints.ts';
import { followedCheckpoint } from '../../ledger/c2sp/followed.ts';
import { noteFile } from '../../ledger/c2sp/note-file.ts';
import { auditKeys, peerName } from '../../ledger/c2sp/trust.ts';
import { Witness } from '../../ledger/c2sp/witness.ts';
import type { Witnessed } from '../../ledger/peer/cosigner.ts';
import type { Peer } from '../../ledger/peer/peer.ts';
import { auditorRoutes } from '../api/auditor-routes.ts';
import { witnessRoutes } from '../api/witness-routes.ts';
import { logClient } from '../watch/log-client.ts';
import { serverFolder } from './folders.ts';
import type { ApiPart, Closers } from './parts.ts';

export interface PeerAuditorsOptions {
  data: string;
  peer: Peer;
  signer: Signer;
  verifier: Verifier;
  origin: string;
  /** Address of the orderer. */
  orderer: string;
}

/** Without a key that can sign in a note (Ed25519) a peer serves tiles and entries, and no checkpoint. */
export function auditorsOfPeer(options: PeerAuditorsOptions, closers: Closers): ApiPart['routes'] {
  const { peer, signer, origin, orderer } = options;
  const { ledger } = peer;
  if (signer.alg !== ALG_ED25519) return [auditorRoutes(ledger)];
  const witness = witnessOf(options);
  const client = logClient(orderer, undefined);
  closers.add(() => client.close());
  const followed = followedCheckpoint({
    witness,
    fetch: () => client.checkpoint(),
    consistency: (from, to) => ledger.consistency(from, to),
    elapsedMs: () => performance.now(),
  });
  const shown = {
    origin,
    checkpoint: () => followed.newest(),
    hashes: ledger.hashes,
    entryBytes: ledger.entryBytes,
    inclusion: ledger.inclusion,
  };
  return [auditorRoutes(shown), witnessRoutes(witness, origin)];
}

function witnessOf({ data, peer, signer, verifier, origin }: PeerAuditorsOptions): Witness {
  const { inside } = peer.ledger;
  return new Witness({
    verifier,
    signer,
    log: () => auditKeys(verifier.sha256, inside.standing.point.root!).log,
    get name() {
      return peerName(verifier.sha256, origin, publicKeyOf(signer));
    },
    store: cosignedCheckpoint(data),
    now: () => Math.floor(Date.now() / 1000),
    async holds({ size, root }) {
      if (peer.evidence.length > 0) return false;
      // As for heads: a checkpoint is no way around what a peer looks at before it signs.
      if (!(await peer.vouches(size))) return undefined;
      return equal(inside.reader.rootAt(size), root);
    },
  });
}

function cosignedCheckpoint(data: string): CheckpointStore {
  return noteFile(join(serverFolder(data, 'peer'), 'checkpoint'));
}

/** The checkpoint that a peer of this folder cosigned last: its key signs no head that contradicts it. */
export function witnessedIn(data: string): Witnessed {
  const store = cosignedCheckpoint(data);
  return async () => {
    const note = await store.load();
    try {
      return note && readCheckpoint(note);
    } catch (cause) {
      throw new Refusal('BAD_STORE', 'the checkpoint that was cosigned last is damaged', { cause });
    }
  };
}
