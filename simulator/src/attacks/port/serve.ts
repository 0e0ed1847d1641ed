/** Serves a port on stdin and stdout: the other side of stdio.ts, and the pattern for an SDK in another language. */
import { createInterface } from 'node:readline';
import type { Port } from './port.ts';
import { type Call, fromLine, perform, toLine } from './wire.ts';

/** Answers every line with a line, in order, until stdin ends. */
export async function servePort(port: Port, input = process.stdin, output = process.stdout): Promise<void> {
  for await (const line of createInterface({ input })) {
    const answer = await perform(port, fromLine(line) as Call).catch((error: unknown) => ({ error: String(error) }));
    output.write(toLine(answer));
  }
}
