/** One size that was measured, quoted or could not be had. */
export interface BenchRow {
  pair: string;
  oldBytes: number;
  newBytes: number;
  /** `class L` and so on for ours. */
  tool: string;
  version: string | null;
  source: 'measured' | 'quoted' | 'not installed' | 'failed';
  bytes: number | null;
  /** Of the new image. */
  percent: number | null;
  /** Making it, every candidate included. */
  seconds: number | null;
  /** Processor time of the same, ours only: two cores at most, so more than the clock shows. */
  cpuSeconds: number | null;
  /** Our decoder alone, best of ten, in milliseconds. */
  applyMs: number | null;
  /** Most memory of the process that made ours and nothing else, in megabytes of 2^20 bytes. */
  peakMb: number | null;
  note: string;
}
