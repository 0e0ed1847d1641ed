/** The body of a process that makes one delta of large images: CLASS OLD NEW, each of {@link LARGE}; prints {@link Large}. */
import { createHash } from 'node:crypto';
import { applyDelta, makeDelta, makeFull } from '@countersign/broker/delta/index';
import { memoryClass } from '@countersign/device-sdk/delta';
import { LARGE, type Large } from './large-images.ts';

const [name = '', oldName = '', newName = ''] = process.argv.slice(2);
const options = { class: memoryClass(name) };
const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

const old = LARGE[oldName as keyof typeof LARGE]();
const fresh = LARGE[newName as keyof typeof LARGE]();
const { delta, info } = makeDelta(old, fresh, options);
const peakBytes = 1024 * process.resourceUsage().maxRSS;
const decoded = applyDelta(delta, info.kind === 'full' ? new Uint8Array() : old);
const right = digest(decoded) === digest(fresh);
// Of the same images a delta is some bytes: there is nothing to compare it with.
const fullBytes = oldName === newName ? undefined : makeFull(fresh, options).delta.length;
const result: Large = { kind: info.kind, bytes: delta.length, fullBytes, right, peakBytes };
process.stdout.write(JSON.stringify(result));
