import { codeOf } from '@countersign/device-sdk';
import { logText } from '@countersign/device-sdk/host/command-words';

/** An error as fields of a log line. */
export function text(error: unknown): { code: string; reason: string } {
  return { code: codeOf(error), reason: logText(error) };
}
