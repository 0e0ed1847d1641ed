/** A verified head as servers and peers keep it on disk: [origin, size, root, index root, time, trust root version]. */
import { asArray, asBytes, asText, asUint, HASH_BYTES, type Head, type Value } from '@countersign/device-sdk/format';

export function keptHead(h: Head): Value[] {
  return [h.origin, h.size, h.root, h.indexRoot, h.time, h.rootVersion];
}

/** @throws Refusal MALFORMED */
export function readKeptHead(value: Value | undefined): Head {
  const [origin, size, root, indexRoot, time, rootVersion] = asArray(value, 'head', 6);
  return {
    origin: asText(origin, 'origin'),
    size: asUint(size, 'tree size'),
    root: asBytes(root, 'root', HASH_BYTES),
    indexRoot: asBytes(indexRoot, 'index root', HASH_BYTES),
    time: asUint(time, 'time'),
    rootVersion: asUint(rootVersion, 'trust root version'),
  };
}
