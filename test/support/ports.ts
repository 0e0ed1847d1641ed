/** Ports for whoever has to know his port before he listens, or to come back to it. */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/**
 * Below what Linux, macOS and Windows give away by themselves (from 32,768 and from 49,152): a port that the system had
 * chosen would be given to any other connection between the end of one server and the beginning of the next.
 */
const [FIRST, COUNT] = [20_000, 12_000];
/** Neighbours walk another way, so that two of them seldom meet. */
let next = Math.floor(Math.random() * COUNT);

/**
 * A port of 127.0.0.1 on which nobody listens, and which no other test is given while this process (or worker) lives:
 * also not before the server is up, nor while it is down to be started again. The claim is a UDP socket of the same
 * number, which stands in no TCP server's way and falls with its process, however that ends.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + (next++ % COUNT);
    const release = await claim(port);
    if (!release) continue;
    if (await isFree(port)) return port;
    release();
  }
}

function claim(port: number): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => resolve(undefined));
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => {
      socket.unref();
      resolve(() => socket.close());
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
