/**
 * The U-Boot environment as its own tools keep it: one or two copies, each
 *
 *   CRC-32 of the text, 4 bytes, little endian │ flag, 1 byte, with two copies only │ name=value NUL … NUL, padded
 *
 * With two copies the flag counts up and the higher one is current (255 is followed by 0). A change goes to the other
 * copy, whole, and is flushed: a cut in the middle leaves a copy whose CRC is wrong beside the one that was current.
 */
import { closeSync, constants, fdatasyncSync, openSync, readFileSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { demand, Refusal } from '../src/errors.ts';
import { writeAll } from './fd-flash.ts';

/** A value of undefined takes the variable away. */
export type EnvChange = Readonly<Record<string, string | undefined>>;

export interface UbootEnv {
  /** @throws Refusal BAD_STORE where no copy is valid */
  read(): Map<string, string>;
  /** All of the change or nothing, on the disk when it returns. @throws Refusal BAD_STORE, NO_SPACE, FLASH_FAULT */
  change(change: EnvChange): void;
}

/** Where a copy lies: a file or a block device. MTD characters and UBI volumes are for {@link file://./uboot-tool.ts}. */
export interface EnvCopy {
  path: string;
  offset: number;
  /** CRC and flag included: CONFIG_ENV_SIZE. */
  bytes: number;
}

export interface ImageEnvOptions {
  /** Said aloud: a cut during a change may cost the whole environment. */
  allowSingle?: boolean;
}

/** Far above any environment; a size in a file of ours must not take a gateway's memory. */
const ENV_BYTES_MAX = 1024 * 1024;

/**
 * @example
 * const env = imageEnv(readEnvConfig('/etc/fw_env.config'));
 * env.read().get('bootcount');
 */
export function imageEnv(copies: readonly EnvCopy[], options: ImageEnvOptions = {}): UbootEnv {
  const redundant = copies.length === 2;
  const sizes = copies.every(({ bytes }) => bytes > 8 && bytes <= ENV_BYTES_MAX && bytes === copies[0]!.bytes);
  demand(sizes && (redundant || copies.length === 1), 'BAD_STORE', 'an environment has one copy, or two of one size');
  demand(redundant || options.allowSingle, 'BAD_STORE', 'with one copy a power cut may cost the whole environment');
  return {
    read: () => current(copies).variables,
    change(change) {
      const { index, flag, variables } = current(copies);
      const next = new Map(variables);
      for (const [name, value] of Object.entries(change)) setVariable(next, name, value);
      const target = copies[redundant ? 1 - index : 0]!;
      writeCopy(target, encode(next, target.bytes, redundant ? (flag + 1) & 255 : undefined));
    },
  };
}

/** `fw_env.config`: a line for each copy, with device, offset and size; what follows is for flash without a driver. */
export function readEnvConfig(path: string): EnvCopy[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  const rows = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  return rows.map((row) => {
    const [device = '', offset = '', size = ''] = row.split(/\s+/);
    const copy = { path: device, offset: Number(offset), bytes: Number(size) };
    const good = device !== '' && Number.isSafeInteger(copy.offset) && Number.isSafeInteger(copy.bytes);
    demand(good && copy.offset >= 0 && offset !== '', 'BAD_STORE', `${path}: "${row}" is not DEVICE OFFSET SIZE`);
    return copy;
  });
}

interface Current {
  index: number;
  flag: number;
  variables: Map<string, string>;
}

function current(copies: readonly EnvCopy[]): Current {
  const valid = copies.flatMap((copy, index) => {
    const found = decode(readCopy(copy), copies.length === 2);
    return found ? [{ ...found, index }] : [];
  });
  const [first, second] = valid;
  // Nobody but U-Boot knows its built-in defaults, and a new environment without them may not boot.
  if (!first) throw new Refusal('BAD_STORE', 'no copy of the U-Boot environment is valid: run saveenv once');
  return second && isLater(second.flag, first.flag) ? second : first;
}

/** As U-Boot compares: a count that has passed 255 goes on with 0. */
function isLater(flag: number, than: number): boolean {
  if (flag === 0 && than === 255) return true;
  return flag > than && !(flag === 255 && than === 0);
}

function decode(bytes: Uint8Array, redundant: boolean): Omit<Current, 'index'> | undefined {
  const text = bytes.subarray(redundant ? 5 : 4);
  if (crc32(text) !== Buffer.from(bytes.buffer, bytes.byteOffset, 4).readUInt32LE()) return undefined;
  const variables = new Map<string, string>();
  for (let at = 0; at < text.length && text[at] !== 0; ) {
    const end = text.indexOf(0, at);
    if (end < 0) break;
    const [, name, value] = /^([^=]*)=([\s\S]*)$/.exec(LATIN1.decode(text.subarray(at, end))) ?? [];
    if (name) variables.set(name, value!);
    at = end + 1;
  }
  return { flag: redundant ? bytes[4]! : 0, variables };
}

/** One character for one byte: whatever others have stored comes back as it was. */
const LATIN1 = { decode: (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1') };

function encode(variables: ReadonlyMap<string, string>, bytes: number, flag: number | undefined): Buffer {
  const image = Buffer.alloc(bytes);
  const start = flag === undefined ? 4 : 5;
  const text = Buffer.from([...variables].map(([name, value]) => `${name}=${value}\0`).join(''), 'latin1');
  demand(start + text.length < bytes, 'NO_SPACE', `the environment would have ${text.length} bytes of ${bytes}`);
  text.copy(image, start);
  if (flag !== undefined) image[4] = flag;
  image.writeUInt32LE(crc32(image.subarray(start)), 0);
  return image;
}

function setVariable(variables: Map<string, string>, name: string, value: string | undefined): void {
  if (!isName(name) || value?.includes('\0')) throw new RangeError(`${name} cannot be stored`);
  if (value === undefined || value === '') variables.delete(name);
  else variables.set(name, value);
}

export function isName(name: string): boolean {
  return /^[!-<>-~]+$/.test(name);
}

function readCopy({ path, offset, bytes }: EnvCopy): Uint8Array {
  return withFile(path, constants.O_RDONLY, (fd) => {
    const image = new Uint8Array(bytes);
    const count = readSync(fd, image, 0, bytes, offset);
    demand(count === bytes, 'BAD_STORE', `${path} ends inside the environment`);
    return image;
  });
}

function writeCopy({ path, offset, bytes }: EnvCopy, image: Buffer): void {
  withFile(path, constants.O_RDWR, (fd) => {
    writeAll(fd, image, offset);
    fdatasyncSync(fd);
    const back = Buffer.alloc(bytes);
    readSync(fd, back, 0, bytes, offset);
    demand(back.equals(image), 'FLASH_FAULT', `${path} reads back something else`);
  });
}

function withFile<T>(path: string, flags: number, use: (fd: number) => T): T {
  let fd: number | undefined;
  try {
    fd = openSync(path, flags);
    return use(fd);
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal(fd === undefined ? 'BAD_STORE' : 'FLASH_FAULT', `${path}: ${String(cause)}`, { cause });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
