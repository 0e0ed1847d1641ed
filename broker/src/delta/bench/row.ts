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
  /** Our decoder alone, best of five, in milliseconds. */
  applyMs: number | null;
  /** Most memory of the whole process while ours was made, in megabytes. */
  peakMb: number | null;
  note: string;
}
