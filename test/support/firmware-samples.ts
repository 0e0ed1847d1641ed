import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Compiler and C library by the name that releases.json has for them; null where they are not installed. */
export type Toolchains = Readonly<Record<'arm' | 'riscv', Readonly<Record<string, string>> | null>>;

export interface Descriptor {
  readonly product: string;
  readonly version: string;
  readonly failsOn: string[];
}

const room = new URL('../../../firmware-samples/', import.meta.url);
const MAGIC = Buffer.from('CSGN-DESCRIPTOR1', 'ascii');

export function sampleFile(path: string): Buffer {
  return readFileSync(new URL(path, room));
}

function recordedToolchains(): Toolchains {
  return JSON.parse(sampleFile('images/manifest.json').toString()).toolchains;
}

/** Which toolchain builds for a core. */
export function toolchainOf(cpu: string): keyof Toolchains {
  return cpu.startsWith('rv') ? 'riscv' : 'arm';
}

/** Runs the build script; answers its standard output, or the reason why it cannot run here. */
export function runBuild(...args: string[]): { output: string } | { reason: string } {
  const script = fileURLToPath(new URL('build.mjs', room));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  return status === 0
    ? { output: stdout }
    : { reason: stderr.split('\n').find((l) => l.startsWith('Error')) ?? stderr };
}

/** Why a rebuild on this machine could not give the committed bytes; undefined where it must give them. */
export function reasonNotToRebuild(name: keyof Toolchains): string | undefined {
  const here = runBuild('--toolchain');
  if ('reason' in here) return here.reason;
  const found = (JSON.parse(here.output) as Toolchains)[name];
  if (found === null) return `the ${name} toolchain is not here`;
  const recorded = JSON.stringify(recordedToolchains()[name]);
  return JSON.stringify(found) === recorded ? undefined : `recorded ${recorded}, here ${JSON.stringify(found)}`;
}

/** Every place at which the descriptor's magic begins. */
export function magicOffsets(image: Buffer): number[] {
  const offsets: number[] = [];
  for (let at = image.indexOf(MAGIC); at >= 0; at = image.indexOf(MAGIC, at + 1)) offsets.push(at);
  return offsets;
}

/** A reader of its own, by the table in firmware-samples/README.md, that shares nothing with the virtual boot. */
export function parseDescriptor(image: Buffer, offset: number): Descriptor {
  let at = offset + MAGIC.length + 2;
  const end = at + image.readUInt16LE(at - 2);
  const text = (): string => {
    const length = image.readUInt8(at);
    at += 1 + length;
    return image.toString('ascii', at - length, at);
  };
  const product = text();
  const version = text();
  const failsOn = Array.from({ length: image.readUInt8(at++) }, text);
  if (at !== end) throw new Error(`descriptor ends at ${at}, its length says ${end}`);
  return { product, version, failsOn };
}
