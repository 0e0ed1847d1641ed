/**
 * One class on one pair, in a process of its own: its peak memory is the encoder's, not what earlier pairs left behind,
 * and neither its times nor its compiled code depend on what ran before.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import type { Files } from './tools.ts';

export type Encoded =
  | {
      bytes: number;
      /** By the clock: every candidate, both workers, the child of bsdiff-node. */
      seconds: number;
      /** Of this process, without the child of bsdiff-node. */
      cpuSeconds: number;
      /** The most that was resident, Node itself and both images included, the child of bsdiff-node not. */
      peakBytes: number;
      applyMs: number;
      note: string;
    }
  | { code: string; message: string };

/** The encoder gives up after ten minutes itself. */
const CHILD_MS_MAX = 660_000;

/** @throws Error where the process fails or answers nothing */
export function encodeAlone(name: MemoryClass, { oldPath, newPath }: Files): Promise<Encoded> {
  const script = fileURLToPath(new URL('./encoder-main.js', import.meta.url));
  const options = { timeout: CHILD_MS_MAX, killSignal: 'SIGKILL' as const };
  return new Promise((resolve, reject) =>
    execFile(process.execPath, [script, name, oldPath, newPath], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`the encoder's process failed (${error.signal ?? error.code}): ${stderr.trim()}`));
      else resolve(JSON.parse(stdout) as Encoded);
    }),
  );
}
