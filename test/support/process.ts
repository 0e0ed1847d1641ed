/** What Linux tells about a process that is not ours to ask. */
import { readFileSync } from 'node:fs';

/** Resident bytes; undefined where there is no /proc. */
export function residentBytes(pid: number): number | undefined {
  return kilobytes(pid, 'VmRSS');
}

/** The most that was ever resident. */
export function peakBytes(pid: number): number | undefined {
  return kilobytes(pid, 'VmHWM');
}

/** User and system time so far; the clock of /proc has a hundred ticks a second. */
export function cpuSeconds(pid: number): number | undefined {
  const fields = read(`/proc/${pid}/stat`)?.split(') ')[1]?.split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) / 100;
}

function kilobytes(pid: number, name: string): number | undefined {
  const match = new RegExp(`${name}:\\s+(\\d+) kB`).exec(read(`/proc/${pid}/status`) ?? '');
  return match ? Number(match[1]) * 1024 : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
