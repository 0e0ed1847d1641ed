import type { Verifier } from '@countersign/device-sdk';
import { type Collection, createCollection } from '../../collection/collection.ts';
import type { Log } from '../../distribution/ports.ts';
import type { KeyRing } from '../../keys/ring.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import { type FileBlobStore, fileBlobStore } from '../../store/file-blobs.ts';
import { serverFolder } from './folders.ts';
import type { Closers } from './parts.ts';
import { text } from './text.ts';

export interface CollectionPart {
  collection: Collection;
  blobs: FileBlobStore;
}

/** The collection server with its own store and keys; it confirms what is approved from now on. */
export function openCollectionPart(
  options: { data: string; ring: KeyRing; ledger: LedgerClient; origin: string; verifier: Verifier; log: Log },
  closers: Closers,
): CollectionPart {
  const { data, ring, ledger, origin, verifier, log } = options;
  const blobs = fileBlobStore(serverFolder(data, 'collection'), verifier.sha256);
  const collection = createCollection({
    ledger,
    blobs,
    verifier,
    signer: ring.signer('collection'),
    service: ring.signer('service'),
    origin,
    events: {
      confirmed: ({ product, version, sequence }) => log.info({ product, version, sequence }, 'release confirmed'),
      failed: (_leaf, error) => log.warn(text(error), 'an approved release could not be confirmed'),
    },
  });
  closers.add(() => collection.close());
  collection.start();
  return { collection, blobs };
}
