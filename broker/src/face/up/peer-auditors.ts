/** What a peer shows to auditors: the log from its own copy, and itself as a witness. */
import { join } from 'node:path';
import type { Verifier } from '@countersign/device-sdk';
import { ALG_ED25519, equal, publicKeyOf, type Signer } from '@countersign/device-sdk/format';
import { followedCheckpoint } from '../../ledger/c2sp/followed.ts';
import { noteFile } from '../../ledger/c2sp/note-file.ts';
import { auditKeys, peerName } from '../../ledger/c2sp/trust.ts';
import { Witness } from '../../ledger/c2sp/witness.ts';
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
    name: peerName(verifier.sha256, origin, publicKeyOf(signer)),
    store: noteFile(join(serverFolder(data, 'peer'), 'checkpoint')),
    now: () => Math.floor(Date.now() / 1000),
    async holds({ size, root }) {
      // As for heads: no signature for a log that was caught, nor for content that is not held.
      if (peer.evidence.length > 0) return false;
      if (!peer.listed || peer.state().holdsBack !== null || size > inside.standing.head.head.size) return undefined;
      return equal(inside.reader.rootAt(size), root);
    },
  });
}
