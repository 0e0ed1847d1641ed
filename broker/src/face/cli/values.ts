/** Values of options, read before anything is done with them: what does not fit is wrong use. */
import { APPLICATION, isComponentId, unhex } from '@countersign/device-sdk/format';
import { InvalidArgumentError } from 'commander';
import { GRANT_DEVICES_MAX } from '../../ledger/contract/grant-args.ts';

/** A whole number from 0 on, also as 0x…. */
export function readWhole(text: string): number {
  const value = Number(text);
  const good = /^(\d+|0x[0-9a-f]+)$/i.test(text) && Number.isSafeInteger(value);
  if (!good) throw new InvalidArgumentError('a whole number is expected.');
  return value;
}

/** 32 bits. */
export function readAddress(text: string): number {
  const address = readWhole(text);
  if (address > 0xffffffff) throw new InvalidArgumentError('an address has 32 bits.');
  return address;
}

/** Bytes between two checkpoints. */
export function readPage(text: string): number {
  const bytes = readWhole(text);
  const fits = bytes >= 4096 && bytes <= 2 ** 28 && Number.isInteger(Math.log2(bytes));
  if (!fits) throw new InvalidArgumentError('a page is a power of two from 4096 on.');
  return bytes;
}

export function readPort(text: string): number {
  const port = readWhole(text);
  if (port > 65_535) throw new InvalidArgumentError('a port is 0 (any free one) to 65535.');
  return port;
}

export function readPercent(text: string): number {
  const value = readWhole(text.replace(/%$/, ''));
  if (value > 100) throw new InvalidArgumentError('a percentage is 0 to 100.');
  return value;
}

/** `label=value`, any number of times. */
export function collectLabels(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, key, value] = /^([\w.-]+)=(.*)$/.exec(text) ?? [];
  if (key === undefined || value === undefined) throw new InvalidArgumentError('a label is written key=value.');
  return { ...before, [key]: value };
}

/** `id=file`, once for each component. */
export function collectFiles(text: string, before: Record<string, string> = {}): Record<string, string> {
  const [, id, file] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (id === undefined || !isComponentId(id) || id === APPLICATION || file === undefined)
    throw new InvalidArgumentError('a component is written id=file, the id in lower-case letters.');
  if (before[id] !== undefined) throw new InvalidArgumentError(`the component ${id} is given twice.`);
  return { ...before, [id]: file };
}

/** `id=bytes`, once for each component, in the order of every release. */
export function collectSlots(text: string, before: { id: string; slotBytes: number }[] = []) {
  const [, id, bytes] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (id === undefined || !isComponentId(id) || id === APPLICATION || bytes === undefined)
    throw new InvalidArgumentError('the slots of a component are written id=bytes, the id in lower-case letters.');
  if (before.some((item) => item.id === id)) throw new InvalidArgumentError(`the component ${id} is given twice.`);
  return [...before, { id, slotBytes: readWhole(bytes) }];
}

export function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** 32 hex digits, in lower case afterwards. */
export function readDeviceId(text: string): Uint8Array {
  const id = unhex(text);
  if (id?.length !== 16) throw new InvalidArgumentError('an id is 32 hex digits, all of them.');
  return id;
}

const UNITS: Record<string, number> = { m: 60, h: 3_600, d: 86_400 };
/** A grant that is valid for longer than a year has been forgotten. */
const SPAN_MAX = 366 * 86_400;

/** Seconds of `30m`, `12h` or `7d`. */
export function readSpan(text: string): number {
  const [, number, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const seconds = Number(number) * (UNITS[unit ?? ''] ?? Number.NaN);
  if (!(seconds >= 60 && seconds <= SPAN_MAX)) throw new InvalidArgumentError('30m, 12h or 7d, at most 366d.');
  return seconds;
}

/** Devices of a grant. */
export function readCount(text: string): number {
  const count = readWhole(text);
  if (count < 1 || count > GRANT_DEVICES_MAX) throw new InvalidArgumentError(`from 1 to ${GRANT_DEVICES_MAX}.`);
  return count;
}
