/** The containers of a release, as the encoder makes them: a delta from each base, and the full image. */
import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import { readWholeHeader } from '@countersign/device-sdk/delta';
import { type Branch, hex, type MemoryClass } from '@countersign/device-sdk/format';
import type { PublishOptions } from './release.ts';
import { sha256 } from './verifier.ts';

interface Shape {
  class: MemoryClass;
  checkpointBytes: number | undefined;
  inPlace: boolean;
}

interface Container {
  container: Uint8Array;
  base?: Branch['base'];
}

export function containersOf(
  image: Uint8Array,
  { bases = [], containers = {} }: Pick<PublishOptions, 'bases' | 'containers'>,
  shape: Shape,
): Container[] {
  const deltas = bases.map((base) => ({
    container: containers.delta ?? encoded(() => makeDelta(base.image, image, shape).delta, shape, base.image, image),
    base: { digest: sha256(base.image), bytes: base.image.length },
  }));
  return [...deltas, { container: containers.full ?? encoded(() => makeFull(image, shape).delta, shape, image) }];
}

/** Workspace that a container's header asks for. */
export function workspaceOf(container: Uint8Array): number {
  return readWholeHeader(container).workspaceBytes;
}

/** The encoder's search is most of the time of a publication, and hundreds of worlds publish the same few images. */
const ENCODED = new Map<string, Uint8Array>();
const ENCODED_MAX = 64;

function encoded(make: () => Uint8Array, options: object, ...images: Uint8Array[]): Uint8Array {
  const name = JSON.stringify([options, ...images.map((image) => hex(sha256(image)))]);
  const known = ENCODED.get(name);
  if (known) return known;
  const made = make();
  if (ENCODED.size >= ENCODED_MAX) ENCODED.delete(ENCODED.keys().next().value!);
  ENCODED.set(name, made);
  return made;
}
