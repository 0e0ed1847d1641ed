import { makeDelta } from '@countersign/broker/delta/index';
import { inspectDelta, type MemoryClass } from '@countersign/device-sdk/delta';
import type { ExecutionContext } from 'ava';
import type { Isa } from './code.ts';
import { decode } from './delta.ts';

/** The encoder finds the CPU, the decoder gives the image back, and every byte of the delta is accounted for. */
export function checkPredicted(
  t: ExecutionContext,
  isa: Isa,
  { old, fresh }: { old: Uint8Array; fresh: Uint8Array },
  classes: readonly MemoryClass[],
): void {
  for (const name of classes) {
    const { delta, info } = makeDelta(old, fresh, { class: name });
    t.is(info.predictor, isa);
    t.is(Buffer.compare(decode(delta, old, [1, 7, 60, 200]), fresh), 0);
    const blind = inspectDelta(delta);
    t.is(blind.bytes.header + blind.bytes.model + blind.bytes.stream, delta.length);
    const { bytes, counts } = inspectDelta(delta, old);
    t.is(bytes.header + bytes.model + bytes.commands + bytes.patches + bytes.inserts, delta.length);
    t.true(counts!.copies > 0);
    t.log(`class ${name}: ${fresh.length} → ${delta.length} bytes, ${info.coder}`);
  }
}
