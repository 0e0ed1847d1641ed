/** Ports for whoever has to know his port before he listens, or to come back to it. */
import { createServer } from 'node:net';

/**
 * Below what Linux, macOS and Windows give away by themselves (from 32,768 and from 49,152): a port that the system had
 * chosen would be given to any other connection between the end of one server and the beginning of the next.
 */
const [FIRST, COUNT] = [20_000, 12_000];
/** Neighbours walk another way, so that two of them seldom meet. */
let next = Math.floor(Math.random() * COUNT);

/** A port of 127.0.0.1 on which nobody listens, and which nobody is given by chance. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + (next++ % COUNT);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
