/** A port as JSON lines: one object each way, byte strings in base64. */
import type { Birth, Look, Port, Said } from './port.ts';

export type Call =
  | { op: 'provision'; birth: Birth }
  | { op: 'boot' | 'look' | 'close' }
  | { op: 'link'; up: boolean }
  | { op: 'deliver'; ear: Parameters<Port['deliver']>[0]; bytes: Uint8Array }
  | { op: 'advance'; ms: number }
  | { op: 'setClock'; seconds: number | null }
  | { op: 'cutPower'; operation: number; phase: 'before' | 'during' | 'after' }
  | { op: 'corrupt'; slot: 0 | 1; offset: number; mask: number };

export type Answer = Said | Look | null;

/** What a port does for a call. */
export function perform(port: Port, call: Call): Promise<Answer> {
  switch (call.op) {
    case 'provision':
      return port.provision(call.birth);
    case 'boot':
      return port.boot();
    case 'link':
      return port.link(call.up);
    case 'deliver':
      return port.deliver(call.ear, call.bytes);
    case 'advance':
      return port.advance(call.ms);
    case 'setClock':
      return port.setClock(call.seconds);
    case 'cutPower':
      return port.cutPower(call.operation, call.phase);
    case 'corrupt':
      return port.corrupt(call.slot, call.offset, call.mask);
    case 'look':
      return port.look();
    case 'close':
      return port.close().then(() => null);
  }
}

/** Byte strings stand as { "b64": "…" }. */
export function toLine(value: unknown): string {
  const plain = (_key: string, item: unknown): unknown =>
    item instanceof Uint8Array ? { b64: Buffer.from(item).toString('base64') } : item;
  return `${JSON.stringify(value, plain)}\n`;
}

/** @throws SyntaxError for what is no JSON */
export function fromLine(line: string): unknown {
  return JSON.parse(line, (_key, item: unknown) => {
    const b64 = item !== null && typeof item === 'object' && 'b64' in item ? item.b64 : undefined;
    return typeof b64 === 'string' ? new Uint8Array(Buffer.from(b64, 'base64')) : item;
  });
}
