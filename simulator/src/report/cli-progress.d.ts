/** The part of cli-progress that is used here; the package has no types of its own. */
declare module 'cli-progress' {
  export interface BarOptions {
    format: string;
    stream: NodeJS.WritableStream;
    hideCursor: boolean;
    clearOnComplete: boolean;
    fps: number;
    barsize: number;
  }
  export class SingleBar {
    constructor(options: BarOptions, preset: unknown);
    start(total: number, value: number, payload: Record<string, unknown>): void;
    update(value: number, payload: Record<string, unknown>): void;
    stop(): void;
  }
  export const Presets: { shades_classic: unknown };
}
