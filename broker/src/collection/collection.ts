import type { Verifier } from '@countersign/device-sdk';
import type { Signer } from '@countersign/device-sdk/format';
import type { Committed, LedgerClient } from '../ledger/client.ts';
import type { ReleaseView } from '../ledger/contract/views.ts';
import type { BlobStore } from '../store/blobs.ts';
import { BENCH, type BenchOptions } from './branch.ts';
import type { Images } from './components.ts';
import { type ConfirmerEvents, confirmRelease, followApprovals } from './confirm.ts';
import { type BranchRunner, branchRunner } from './jobs.ts';
import type { ReleaseOrder } from './order.ts';
import { prepareRelease } from './prepare.ts';
import type { Prepared } from './prepared.ts';
import { submitUpload } from './upload.ts';

export interface CollectionOptions {
  ledger: LedgerClient;
  blobs: BlobStore;
  verifier: Verifier;
  /** The collection key: block 1. */
  signer: Signer;
  /** The service key: `confirm`. */
  service: Signer;
  /** The ledger's origin, which transactions name as their channel. */
  origin: string;
  /** The trial bench; by default hardware revisions A and B, and six power cuts a branch. */
  bench?: Partial<BenchOptions>;
  /** Threads that make and try branches. */
  workers?: number;
  /** Who makes and tries branches instead of those threads. */
  runner?: BranchRunner;
  events?: Partial<ConfirmerEvents>;
}

/** The collection server: the first of the two that sign. No device ever talks to it. */
export interface Collection {
  /**
   * Plans, makes and tries the deltas of a new release and signs its manifest. Nothing is in the ledger yet.
   * The same image, order and ledger state give the same bytes.
   * @param further images of the product's further components, by id
   * @throws Refusal NOT_FOUND, BAD_REQUEST, NO_SPACE, EXISTS, TRIAL_RIG, BUSY
   */
  prepare(image: Uint8Array, order: ReleaseOrder, further?: Images): Promise<Prepared>;
  /** Submits an engineer's signed `upload`. @throws Refusal BAD_STATEMENT, NOT_FOUND, CONFLICT; the contract's own */
  submitUpload(statement: Uint8Array): Promise<Committed>;
  /** Confirms an approved release. @throws Refusal NOT_FOUND, NOT_APPROVED, CONFLICT */
  confirm(releaseLeaf: Uint8Array): Promise<ReleaseView>;
  /** Confirms every approved release by itself until `close`. */
  start(): void;
  close(): Promise<void>;
}

/**
 * @example
 * const collection = createCollection({ ledger, blobs, verifier, signer, service, origin });
 * collection.start();
 * const prepared = await collection.prepare(image, { product: 'sensor-node', version: '1.0.1', policy, fileName });
 */
export function createCollection(options: CollectionOptions): Collection {
  const { ledger, blobs, verifier, signer, service, origin, events = {} } = options;
  const runner = options.runner ?? branchRunner(options.workers);
  const bench: BenchOptions = { ...BENCH, ...options.bench };
  const confirming = { ledger, sha256: verifier.sha256, service, origin };
  let following: { stop(): void } | undefined;

  return {
    prepare: (image, order, further) =>
      prepareRelease({ ledger, blobs, verifier, signer, runner, bench }, image, order, further),
    submitUpload: (statement) => submitUpload({ ledger, blobs, verifier, signer }, statement),
    confirm: (releaseLeaf) => confirmRelease(confirming, releaseLeaf),
    start() {
      following ??= followApprovals(confirming, {
        confirmed: (release) => events.confirmed?.(release),
        failed: (releaseLeaf, error) => events.failed?.(releaseLeaf, error),
      });
    },
    async close() {
      following?.stop();
      await runner.close();
    },
  };
}
