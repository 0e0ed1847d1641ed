/**
 * The content of confirmed releases: a peer that puts its name to a head has the images and payloads of every release
 * under it, so that losing the publisher's own store loses nothing.
 */
import { codeOf, demand, type Verifier } from '@countersign/device-sdk';
import {
  allComponents,
  type Payload,
  readManifest,
  readStatement,
  readTransaction,
  unhex,
} from '@countersign/device-sdk/format';
import type { BlobSource } from '../../store/blobs.ts';
import type { FileBlobStore } from '../../store/file-blobs.ts';
import { anyBlobs } from '../../store/http-blobs.ts';
import type { LedgerClient } from '../client.ts';
import { readUpload } from '../contract/args.ts';
import type { HistoryItem, ReleaseView } from '../contract/views.ts';

export interface Missing {
  /** `product@version`. */
  release: string;
  text: string;
}

export interface Holdings {
  /** False until everything was fetched, and again from `changed` on. */
  readonly complete: boolean;
  /** A release was confirmed: the next `fetch` looks again. */
  changed(): void;
  /**
   * Fetches what is missing, each piece checked against its digest or frame chain.
   * @returns the first release that could not be fetched, or nothing where all is held
   */
  fetch(): Promise<Missing | undefined>;
}

export function holdings(parts: {
  ledger: Pick<LedgerClient, 'evaluate' | 'entry'>;
  store: FileBlobStore;
  sources: readonly BlobSource[];
  verifier: Verifier;
}): Holdings {
  const { ledger, store } = parts;
  const source = anyBlobs(parts.sources);
  const held = new Set<string>();
  let complete = false;
  let changes = () => {};
  return {
    get complete() {
      return complete;
    },
    changed() {
      complete = false;
      changes();
    },
    async fetch() {
      let unchanged = true;
      changes = () => {
        unchanged = false;
      };
      const releases = (await ledger.evaluate('listReleases')) as ReleaseView[];
      for (const release of releases) {
        if (release.state !== 'confirmed' || held.has(release.releaseLeaf)) continue;
        try {
          await fetchRelease(release.releaseLeaf);
          held.add(release.releaseLeaf);
        } catch (error) {
          const text = `${codeOf(error)}: ${error instanceof Error ? error.message : String(error)}`;
          return { release: `${release.product}@${release.version}`, text };
        }
      }
      // A release that was confirmed meanwhile is looked for the next time.
      complete = unchanged;
      return undefined;
    },
  };

  async function fetchRelease(leaf: string): Promise<void> {
    for (const { digest, branches } of allComponents(readManifest(await manifestOf(leaf)))) {
      if (!(await store.has(digest))) await store.put(await source.blob(digest));
      for (const { payload } of branches) await fetchPayload(payload);
    }
  }

  async function fetchPayload(payload: Payload): Promise<void> {
    try {
      await store.frames(payload);
    } catch (error) {
      // Absent, or damaged: what is put in its place mends it.
      if (!['NOT_FOUND', 'BAD_FRAME', 'BAD_STORE'].includes(codeOf(error))) throw error;
      await store.putFrames(payload, await source.frames(payload));
    }
  }

  async function manifestOf(leaf: string): Promise<Uint8Array> {
    const history = (await ledger.evaluate('getHistory', leaf)) as HistoryItem[];
    const upload = history.find(({ action }) => action === 'upload');
    demand(upload, 'NOT_FOUND', `no upload of release ${leaf}`);
    const statement = readStatement(await ledger.entry(unhex(upload.leafHash)!), 'tx');
    return readUpload(readTransaction(statement.payload).args).manifest;
  }
}
