import { makeDelta, makeFull } from '../delta/index.ts';
import type { Made, MakeJob } from './branch.ts';
import { secondsSince } from './seconds.ts';

/**
 * Encodes one branch: a delta where there is a base, else the full image in a container of its own kind. Where no delta
 * is smaller than that, the encoder answers with the full image even where there is a base.
 */
export function makeBranch({ base, through, image, memoryClass, imageBase, cpu, pageBytes }: MakeJob): Made {
  const start = performance.now();
  const options = {
    class: memoryClass,
    ...(through && { through }),
    ...(cpu !== undefined && { cpu }),
    ...(imageBase !== 0 && { base: imageBase }),
    ...(pageBytes !== undefined && { inPlace: true, checkpointBytes: pageBytes }),
  };
  const { delta, info } = base ? makeDelta(base, image, options) : makeFull(image, options);
  const { alignment, workspaceBytes, predictor, coder } = info;
  const path = alignment === 'none' ? 'full' : alignment === 'composed' ? 'composed' : 'direct';
  return { container: delta, path, workspaceBytes, predictor, coder, seconds: secondsSince(start) };
}
