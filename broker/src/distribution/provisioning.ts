import { codeOf, demand } from '@countersign/device-sdk';
import {
  encodeProvision,
  type Head,
  hex,
  type ReleaseImage,
  releaseImage,
  unhex,
} from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import type { ProductView, ReleaseView } from '../ledger/contract/views.ts';
import type { Releases } from './releases.ts';
import type { Witness } from './witness.ts';

/** What a factory needs for one release, without a device id. The image itself is the blob with this digest. */
export interface FactoryRelease {
  record: Uint8Array;
  image: ReleaseImage;
  classId: string;
  version: string;
  sequence: number;
}

/**
 * Makes provisioning records from what this server has confirmed itself: a factory image is a release like any other.
 * @throws Refusal NOT_FOUND; as `confirmRelease`
 */
export function provisioning(parts: {
  ledger: LedgerClient;
  witness: Witness;
  releases: Releases;
  brokerId: string;
  /** The head under which a class is announced now. */
  announced(classId: Uint8Array): Head | undefined;
}): (product: string, version: string) => Promise<FactoryRelease> {
  const { ledger, witness, releases, brokerId, announced } = parts;

  return async (product, version) => {
    const view = await findProduct(ledger, product);
    const list = (await ledger.evaluate('listReleases', view.classId)) as ReleaseView[];
    const matching = list.filter((item) => item.version === version && item.state === 'confirmed');
    // Labels may repeat, sequences cannot: the newest of that name is meant.
    const found = matching.sort((a, b) => b.sequence - a.sequence)[0];
    demand(found, 'NOT_FOUND', `no confirmed release ${version} of ${view.name}`);
    const { release } = await releases.ensure(unhex(found.releaseLeaf)!);
    const { manifest, manifestDigest, releaseLeaf } = release;
    demand(hex(manifest.classId) === view.classId, 'WRONG_CLASS', 'the ledger named a release of another class');
    const [trustRoot] = await witness.rootsFrom(1);
    // A device takes no announcement under an older head than its own, and the log grows with every report: born with the
    // newest head it would call the announcement of the day stale until the next one is made.
    const head = announced(manifest.classId) ?? (await witness.newestHead()).head;
    const { vendorId, classId, sequence } = manifest;
    const image = releaseImage(manifest);
    const record = encodeProvision({
      trustRoot: trustRoot!,
      head,
      vendorId,
      classId,
      manifestDigest,
      releaseLeaf,
      sequence,
      image,
      version: manifest.version,
      brokerId,
    });
    return { record, image, classId: view.classId, version: manifest.version, sequence };
  };
}

/** By class id in hex, or by name where one product alone has it. @throws Refusal NOT_FOUND, CONFLICT */
export async function findProduct(ledger: LedgerClient, product: string): Promise<ProductView> {
  if (/^[0-9a-f]{32}$/.test(product)) {
    try {
      return (await ledger.evaluate('getProduct', product)) as ProductView;
    } catch (error) {
      if (codeOf(error) !== 'NOT_FOUND') throw error;
    }
  }
  const all = (await ledger.evaluate('listProducts')) as ProductView[];
  const named = all.filter(({ name }) => name === product);
  demand(named[0], 'NOT_FOUND', `there is no product ${product}`);
  demand(named.length === 1, 'CONFLICT', `${named.length} vendors have a product ${product}: name it by its class id`);
  return named[0];
}
