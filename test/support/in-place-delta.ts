import { applyDelta } from '@countersign/broker/delta/apply';
import { makeDelta } from '@countersign/broker/delta/index';
import {
  BlockOrder,
  DeltaDecoder,
  inspectDelta,
  type MemoryClass,
  readWholeHeader,
} from '@countersign/device-sdk/delta';
import type { ExecutionContext } from 'ava';
import { type Isa, programs } from './code.ts';
import { bench, checkpointsOf } from './delta.ts';

const BLOCK = 4096;

/** There and back for one slot: whole, and from every checkpoint over what is left of the base then. */
export function checkBothWays(t: ExecutionContext, isa: Isa, name: MemoryClass): void {
  const pair = programs(isa, 60, 5);
  for (const [from, to] of [
    [pair.old, pair.fresh],
    [pair.fresh, pair.old],
  ] as const) {
    const { delta, info } = makeDelta(from, to, { class: name, inPlace: true, checkpointBytes: BLOCK });
    t.is(info.kind, 'delta');
    t.truthy(info.inPlace);
    t.deepEqual(applyDelta(delta, from), to);
    t.is(inspectDelta(delta, from).header.inPlace, info.inPlace);
    resumed(delta, from, to, (same, why) => t.true(same, why));
  }
}

/** From each checkpoint, over a base of which nothing is left that must not be read: there it has other bytes. */
function resumed(delta: Uint8Array, from: Uint8Array, to: Uint8Array, is: (same: boolean, why: string) => void): void {
  const order = BlockOrder.of(readWholeHeader(delta));
  for (const checkpoint of checkpointsOf(delta, from)) {
    const base = from.map((byte, i) => {
      const [start, end] = order.remaining(order.turnAt(checkpoint.outputOffset), from.length);
      return i >= start && i < end ? byte : byte ^ 0xa5;
    });
    const fresh = to.slice();
    const { ports } = bench(delta, base);
    const decoder = DeltaDecoder.restore({ ...ports, sink: (offset, bytes) => fresh.set(bytes, offset) }, checkpoint);
    const backward = order.inPlace === 'backward';
    fresh.fill(0, backward ? 0 : checkpoint.outputOffset, backward ? checkpoint.outputOffset : to.length);
    for (let at = decoder.wants; at < delta.length; at = decoder.wants) decoder.push(delta.subarray(at, at + 50));
    decoder.finalize();
    is(Buffer.compare(fresh, to) === 0, `checkpoint at ${checkpoint.outputOffset}`);
  }
}
