/** Devices that have to follow trust roots before they may install. */
import { publicKeyOf, type Signer } from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import type { BoardOptions } from '@countersign/device-sdk/rig';
import { changed, image } from '@countersign/simulator/attacks/scene';
import { type PocketRelease, PocketServer, rotate, verifier } from './pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from './pocket-device.ts';

/** A key of its own for each name. */
export const keyOf = (name: string): Signer =>
  nodeKeyStore(-19, verifier.sha256(Uint8Array.from(name, (letter) => letter.charCodeAt(0))));

/** Another root key in each version, which signs together with the one before it. */
export async function rotateRootKey(server: PocketServer): Promise<Uint8Array> {
  const next = keyOf(`root ${server.root.version + 1}`);
  const by = [server.signers.root, next];
  server.signers.root = next;
  const roles = { ...server.root.roles, root: { threshold: 1, keys: [publicKeyOf(next)], implicit: [] } };
  return rotate(server, { roles }, by);
}

export interface RootScene {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  options: PocketDeviceOptions;
  /** What the device was born with, and what it must have in the end. */
  birth: Uint8Array;
  newest: number;
}

/** Born at version 1, switched on again when a release is announced under a version that is `behind` further. */
export async function rootScene(board: Partial<BoardOptions>, behind: number): Promise<RootScene> {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  const birth = server.provision(first, DEVICE_ID);
  for (let i = 0; i < behind; i++) await rotateRootKey(server);
  const second = await server.publish(changed(first.image, 5), { bases: [first], checkpointBytes: 4096 });
  return { server, first, second, options: { board }, birth, newest: 1 + behind };
}

const DEVICE_ID = new Uint8Array(16).fill(7);

export function deviceOf({ server, first, options, birth }: RootScene): PocketDevice {
  server.reports.length = 0;
  return new PocketDevice(server, first, { ...options, birth });
}
