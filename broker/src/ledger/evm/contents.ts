/** Where the bytes of a release are found, for the chain: the CIDs of its images and of its deltas. */
import { codeOf } from '@countersign/device-sdk';
import { allComponents, concat, type Manifest, type Sha256 } from '@countersign/device-sdk/format';
import type { BlobStore } from '../../store/blobs.ts';
import { CODEC_RAW, cidOfDigest } from '../../store/blocks.ts';
import { addContent } from '../../store/unixfs.ts';
import type { ReleaseContents } from './parts.ts';

/**
 * Puts the deltas (frames one after another, as they travel) into the store under their CIDs, so that the gateway has them.
 * @param blobs of the collection server; without it only the images are named, whose digests the manifest has
 */
export function releaseContents(sha256: Sha256, blobs: BlobStore | undefined): ReleaseContents {
  return async (manifest: Manifest) => {
    const images = allComponents(manifest).map(({ digest }) => cidOfDigest(CODEC_RAW, digest).bytes);
    if (!blobs) return images;
    const deltas: Uint8Array[] = [];
    for (const { branches } of allComponents(manifest)) {
      for (const { payload } of branches) {
        try {
          const cid = await addContent(blobs, sha256, concat(...(await blobs.frames(payload))));
          deltas.push(cid.bytes);
        } catch (error) {
          // A collection server elsewhere has them: the chain then names the images alone.
          if (codeOf(error) !== 'NOT_FOUND') throw error;
        }
      }
    }
    return [...images, ...deltas];
  };
}
