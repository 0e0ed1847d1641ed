/** What a factory does before a device is sold: image, record, board; and its operator puts the devices on the record. */
import { enrolDevices, type NewDevice } from '@countersign/broker/face/client/devices';
import { getProduct } from '@countersign/broker/face/client/releases';
import { inPath, type Session } from '@countersign/broker/face/client/session';
import { demand } from '@countersign/device-sdk';
import { equal, hex, type ImageId, publicKeyOf, readProvision, type Signer } from '@countersign/device-sdk/format';
import type { Factory } from '../fleet/fleet.ts';
import type { Profile } from '../fleet/profile.ts';

/**
 * Fetches the factory image of a release and the record that goes beside it.
 * @throws Refusal NOT_FOUND, UNREACHABLE; BAD_PROVISION where image and record do not fit each other
 */
export async function fetchFactory(session: Session, product: string, version: string): Promise<Factory> {
  const { api, verifier, endpoints } = session;
  demand(endpoints.mqtt !== null, 'UNREACHABLE', `${api.url} names no MQTT broker`);
  const { slotBytes, memoryClass, oneSlot, components: own = [] } = await getProduct(session, product);
  const record = await api.bytes(`/provision/${inPath(product)}/${inPath(version)}`);
  const { image: named } = readProvision(record);
  const imageOf = async ({ digest, bytes }: ImageId): Promise<Uint8Array> => {
    const image = await api.bytes(`/api/v1/blobs/${hex(digest)}`);
    const fits = image.length === bytes && equal(verifier.sha256(image), digest);
    demand(fits, 'BAD_PROVISION', `the server's image is not the one that the record of ${version} names`);
    return image;
  };
  const components = await Promise.all(
    own.map(async ({ id, slotBytes: size }) => {
      const part = named.components?.find((item) => item.id === id);
      demand(part, 'BAD_PROVISION', `the record of ${version} names no image of ${id}`);
      return { id, slotBytes: size, image: await imageOf(part) };
    }),
  );
  const image = await imageOf(named);
  const made = { image, record, slotBytes, memoryClass, oneSlot, mqtt: mqttAddress(endpoints.mqtt) };
  return components.length > 0 ? { ...made, components } : made;
}

function mqttAddress(text: string): { host: string; port: number } {
  const url = new URL(text);
  demand(url.protocol === 'mqtt:', 'UNSUPPORTED', `the fleet speaks plain MQTT beside its broker, not ${url.protocol}`);
  return { host: url.hostname, port: Number(url.port || 1883) };
}

/** Enrols devices in batches, labelled with their hardware revision and whatever else is wished. */
export async function enrolProfiles(
  session: Session,
  operator: Signer,
  product: string,
  profiles: readonly Profile[],
  labelsOf: (profile: Profile) => Record<string, string> = () => ({}),
): Promise<void> {
  const devices = profiles.map(
    (profile): NewDevice => ({
      id: profile.id,
      key: publicKeyOf(profile.keys),
      labels: { hw: profile.revision, ...labelsOf(profile) },
    }),
  );
  await enrolDevices(session, operator, product, devices);
}
