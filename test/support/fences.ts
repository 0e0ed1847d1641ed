import { makeDelta } from '@countersign/broker/delta/index';
import { CLASS_BYTES, DeltaDecoder, type MemoryClass, readWholeHeader } from '@countersign/device-sdk/delta';
import type { ExecutionContext } from 'ava';
import { bench, joined } from './delta.ts';

/** Makes a delta, and applies it in a workspace of exactly the bytes that it asks for, between bytes that must stay. */
export function applyFenced(t: ExecutionContext, old: Uint8Array, fresh: Uint8Array, memoryClass: MemoryClass): string {
  const { delta } = makeDelta(old, fresh, { class: memoryClass });
  const { workspaceBytes, pageBits } = readWholeHeader(delta);
  t.true(workspaceBytes <= CLASS_BYTES[memoryClass]);
  const { ports, output, fenced } = bench(delta, old);
  t.is(ports.workspace.length, workspaceBytes);
  let longest = 0;
  let reads = 0;
  const read = (offset: number, into: Uint8Array): void => {
    reads++;
    longest = Math.max(longest, into.length);
    // Bytes of the old image go into the workspace and nowhere else.
    if (into.buffer !== ports.workspace.buffer) throw new RangeError('a read into memory beside the workspace');
    ports.old.read(offset, into);
  };
  const decoder = new DeltaDecoder({ ...ports, old: { read } });
  for (let at = 0; at < delta.length; at += 512) decoder.push(delta.subarray(at, at + 512));
  decoder.finalize();
  t.true(fenced(), 'bytes around the workspace were written');
  t.true(Buffer.compare(joined(output), fresh) === 0);
  t.true(output.every((page) => page.length <= 2 ** pageBits));
  t.true(longest <= 2 ** pageBits, `a read of ${longest} bytes`);
  return `${delta.length} bytes, workspace ${workspaceBytes} of ${CLASS_BYTES[memoryClass]}, ${reads} reads`;
}
