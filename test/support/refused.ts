import { Refusal } from '@countersign/device-sdk';

/** The code with which `work` refuses, or 'accepted'. Any other error is thrown on: it is a bug. */
export function codeOfRefusal(work: () => unknown): string {
  try {
    work();
    return 'accepted';
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
}
