/** The factory's two files for one device: the image, and the provisioning record with the device's id in it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { encodeProvision, equal, hex, readProvision } from '@countersign/device-sdk/format';
import { makeFolder } from '../../store/durable.ts';
import type { Session } from './session.ts';

export interface FactoryFiles {
  provision: string;
  image: string;
  /** Of further components, by id; left out where there are none. */
  components?: Record<string, string>;
}

/**
 * Writes `provision.cbor` and `factory.bin`, and `factory-ID.bin` of further components, for a device that is enrolled
 * under this id, or for any that will give itself one and claim it.
 * @throws Refusal NOT_FOUND for an unknown release, BAD_STORE for an image with another digest
 */
export async function writeFactoryFiles(
  { api, verifier }: Session,
  product: string,
  version: string,
  deviceId: Uint8Array | undefined,
  folder: string,
): Promise<FactoryFiles> {
  const path = [product, version].map(encodeURIComponent).join('/');
  const record = readProvision(await api.bytes(`/provision/${path}`));
  const imageOf = async ({ digest }: { digest: Uint8Array }) => {
    const image = await api.bytes(`/api/v1/blobs/${hex(digest)}`);
    demand(equal(verifier.sha256(image), digest), 'BAD_STORE', 'the image is not the one of the release');
    return image;
  };
  const image = await imageOf(record.image);
  await makeFolder(folder);
  const files: FactoryFiles = { provision: join(folder, 'provision.cbor'), image: join(folder, 'factory.bin') };
  for (const component of record.image.components ?? []) {
    const path = join(folder, `factory-${component.id}.bin`);
    await writeFile(path, await imageOf(component));
    files.components = { ...files.components, [component.id]: path };
  }
  await writeFile(files.image, image);
  const epoch = deviceId ? await epochOf(api, deviceId) : 0;
  const own = { ...(deviceId && { deviceId }), ...(epoch > 0 && { epoch }) };
  await writeFile(files.provision, encodeProvision({ ...record, ...own }));
  return files;
}

/** Above 0 for a device that was enrolled before: it has another key now, and begins its reports anew. */
async function epochOf(api: Session['api'], deviceId: Uint8Array): Promise<number> {
  const { epoch } = (await api.get(`/api/v1/devices/${hex(deviceId)}`)) as { epoch?: unknown };
  demand(Number.isSafeInteger(epoch), 'UNREACHABLE', `${api.url} does not say in which epoch the device is`);
  return epoch as number;
}
