import { codeOf } from '@countersign/device-sdk';

/** An error as fields of a log line. */
export function text(error: unknown): { code: string; reason: string } {
  return { code: codeOf(error), reason: error instanceof Error ? error.message : String(error) };
}
