/** The decoder in C of test/c-decoder, compiled with whatever C compiler there is, and driven many cases at a time. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHeader } from '@countersign/device-sdk/delta';
import { repository } from './repository.ts';

export interface CCase {
  old: Uint8Array;
  container: Uint8Array;
  newBytes: number;
  slotBytes?: number;
  workspace?: number;
  /** Bytes per push; all at once where it is left out. */
  piece?: number;
  /** The decoder is thrown away at each checkpoint, and goes on from its record. */
  restarts?: boolean;
}

export interface CAnswer {
  code: string;
  image: Uint8Array;
}

const STRICT = ['-std=c99', '-pedantic', '-O2', '-Wall', '-Wextra', '-Werror'];
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
/** In the order of cs_status. */
const CODES = ['accepted', 'BAD_DELTA', 'UNSUPPORTED', 'NO_MEMORY', 'NO_SPACE', 'BAD_STATE', 'a port failed'];
const OUTPUT_BYTES_MAX = 2 ** 30;

/** Compiles with the sanitizers, once per test file; the program's path, or the reason why there is none. */
export function compiled(sanitizers: readonly string[] = SANITIZERS): { program: string } | { reason: string } {
  const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler === undefined) return { reason: 'no C compiler (cc, gcc, clang) is installed' };
  const folder = mkdtempSync(join(tmpdir(), 'countersign-c-decoder-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'decoder');
  const withSanitizers = build(compiler, program, sanitizers);
  if (withSanitizers === undefined) return { program };
  // A compiler may come without the sanitizers' libraries: the decoder must still compile without a warning.
  if (!/l(?:asan|ubsan)|sanitizer/.test(withSanitizers)) throw new Error(withSanitizers);
  console.log(`${compiler} has no sanitizers here: the decoder in C runs without them`);
  const without = build(compiler, program, []);
  if (without !== undefined) throw new Error(without);
  return { program };
}

/** What the compiler complains of; undefined where it does not. */
function build(compiler: string, program: string, flags: readonly string[]): string | undefined {
  const room = join(repository, 'test/c-decoder');
  const sources = readdirSync(room).filter((name) => name.endsWith('.c'));
  const all = [...STRICT, ...flags, '-o', program, ...sources];
  const { status, stderr } = spawnSync(compiler, all, { cwd: room, encoding: 'utf8' });
  return status === 0 ? undefined : stderr;
}

/** The workspace that a container asks for; something where it asks for nothing. */
export function workspaceOf(container: Uint8Array): number {
  try {
    return readHeader(container)?.workspaceBytes ?? 4096;
  } catch {
    return 4096;
  }
}

/** What the program reads from stdin. */
export function casesInBytes(cases: readonly CCase[]): Buffer {
  return Buffer.concat(cases.flatMap(caseBytes));
}

/** Decodes all cases in one process: see main.c for the form of a case and its answer. */
export function decodeInC(program: string, cases: readonly CCase[]): CAnswer[] {
  const input = casesInBytes(cases);
  const { status, signal, stdout, stderr } = spawnSync(program, { input, maxBuffer: OUTPUT_BYTES_MAX });
  if (status !== 0) throw new Error(`the decoder in C ended with ${status ?? signal}: ${stderr}`);
  let at = 0;
  return cases.map(() => {
    const [code, bytes] = [CODES[stdout.readUInt32LE(at)]!, stdout.readUInt32LE(at + 4)];
    at += 8 + bytes;
    return { code, image: new Uint8Array(stdout.subarray(at - bytes, at)) };
  });
}

function caseBytes(c: CCase): Buffer[] {
  const workspace = c.workspace ?? workspaceOf(c.container);
  const limits = [c.newBytes, c.slotBytes ?? 2 ** 30, workspace];
  const head = [c.old.length, c.container.length, ...limits, c.piece ?? 0, c.restarts ? 1 : 0];
  return [Buffer.from(Uint32Array.from(head).buffer), Buffer.from(c.old), Buffer.from(c.container)];
}
