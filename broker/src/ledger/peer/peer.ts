/**
 * A peer: follows an orderer (and, if told, other peers), keeps a whole copy, cosigns heads. Each answer of whoever it
 * follows is hostile until it has been replayed. What the orderer signed and must not have is kept as evidence, and
 * from then on this peer takes nothing and signs nothing; what it had, it goes on serving.
 */
import type { Code, Verifier } from '@countersign/device-sdk';
import type { Signer, TrustRoot } from '@countersign/device-sdk/format';
import type { BlobSource } from '../../store/blobs.ts';
import type { FileBlobStore } from '../../store/file-blobs.ts';
import type { EmbeddedLedger } from '../embedded/source.ts';
import type { OpenOwnOrder } from '../mirror/own-order.ts';
import type { CosignedHeads, QuorumState } from './cosigned-heads.ts';
import type { Witnessed } from './cosigner.ts';
import type { Evidence } from './evidence.ts';
import type { PeerLink } from './link.ts';

export interface PeerOptions {
  /** The folder in which copy, last head signed and evidence lie. */
  dir: string;
  /** The orderer first; other peers may follow. */
  links: readonly PeerLink[];
  signer: Signer;
  /** Hears the trust root in force before anything is signed under it: the signer may change its key. */
  adopted?: ((root: TrustRoot) => Promise<void>) | undefined;
  /** Trust root 1, from outside. */
  trustRoot: Uint8Array;
  /** Content of releases that this peer holds, and where it gets it. */
  store: FileBlobStore;
  contents: readonly BlobSource[];
  verifier: Verifier;
  /** Where the order of entries comes from an outside engine: what this peer's own node of it says. */
  order?: OpenOwnOrder | undefined;
  /** What the same key has cosigned last as a witness. */
  witnessed?: Witnessed | undefined;
  /** Seconds since the epoch. */
  now?: () => number;
  /** Hears what people should know. */
  tell?: (event: PeerEvent) => void;
}

export interface PeerEvent {
  level: 'info' | 'warn' | 'error';
  code?: Code;
  text: string;
}

export interface PeerState {
  /** `FORK` once the orderer was caught: nothing is taken or signed any more. */
  state: 'following' | 'FORK' | 'stopped';
  /** Why it does not cosign although it follows; null where it does. */
  holdsBack: string | null;
  blocks: number;
  entries: number;
  /** Entries of the last head that this peer signed. */
  cosigned: number | null;
  kid: string;
  quorum: QuorumState;
  sources: { url: string; reachable: boolean; problem: string | null }[];
  evidence: number;
}

export interface Peer {
  readonly ledger: EmbeddedLedger;
  readonly heads: CosignedHeads;
  readonly evidence: readonly Evidence[];
  /** Whether the trust root in force names this peer's key. */
  readonly listed: boolean;
  /**
   * Whether it would put its name to the first `size` entries of its copy now: nothing is known against the orderer, the
   * trust root lists it, content is held, an own node agrees, and the copy has what its key has signed before.
   */
  vouches(size: number): Promise<boolean>;
  state(): PeerState;
  close(): Promise<void>;
}
