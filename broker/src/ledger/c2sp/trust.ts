/** The keys of a trust root as auditors of other logs write keys. Nothing is added: names follow from the root. */
import {
  ALG_ED25519,
  ALG_ESP256,
  hex,
  kidOf,
  type PublicKey,
  type Role,
  revokedFrom,
  type Sha256,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { isOrigin } from './checkpoint.ts';
import { COSIGNATURE_V1, ECDSA_NOTE, ED25519_NOTE, encodeVkey, type NoteKey, noteKey } from './vkey.ts';

export interface AuditKeys {
  /** Each is named by the origin. */
  log: NoteKey[];
  /** Peers whose key is Ed25519; the others cosign heads alone. */
  peers: NoteKey[];
}

/** Of keys that are accepted and not revoked. None where the origin cannot stand in a note. */
export function auditKeys(sha256: Sha256, root: TrustRoot): AuditKeys {
  if (!isOrigin(root.origin)) return { log: [], peers: [] };
  return {
    log: usable(sha256, root, 'log').map((key) =>
      noteKey(sha256, root.origin, key.alg === ALG_ESP256 ? ECDSA_NOTE : ED25519_NOTE, key),
    ),
    peers: usable(sha256, root, 'peer')
      .filter(({ alg }) => alg === ALG_ED25519)
      .map((key) => noteKey(sha256, peerName(sha256, root.origin, key), COSIGNATURE_V1, key)),
  };
}

/** The name under which a peer cosigns. */
export function peerName(sha256: Sha256, origin: string, key: PublicKey): string {
  return `${origin}/peer/${hex(kidOf(sha256, key))}`;
}

/** The trust root's rule for heads as a policy for checkpoints (c2sp.org/tlog-policy). */
export function policyText(sha256: Sha256, root: TrustRoot, url?: string): string {
  const { log, peers } = auditKeys(sha256, root);
  const { threshold } = root.roles.peer;
  const names = peers.map((_, i) => `peer-${i + 1}`);
  return [
    ...log.map((key) => `log ${encodeVkey(key)}${url === undefined ? '' : ` ${url}`}`),
    ...peers.map((key, i) => `witness ${names[i]} ${encodeVkey(key)}`),
    ...(threshold > 0 ? [`group peers ${threshold} ${names.join(' ')}`, 'quorum peers'] : ['quorum none']),
    '',
  ].join('\n');
}

function usable(sha256: Sha256, root: TrustRoot, role: Role): PublicKey[] {
  return root.roles[role].keys.filter(
    (key) => root.algorithms.includes(key.alg) && revokedFrom(sha256, root, key) === undefined,
  );
}
