/** What a gateway that lies can make a child do. */
import { type AddressInfo, createServer } from 'node:net';
import {
  ASK_LOGIN,
  encodeMessage,
  HELLO,
  LOGIN,
  MessageReader,
  READY,
} from '@countersign/device-sdk/host/local/format';
import { LOGINS_PER_MINUTE, localLink } from '@countersign/device-sdk/host/local/link';
import test from 'ava';
import { pause } from '../support/relay-world.ts';

test('a gateway that asks for logins without end wears no flash: the child ends the connection', async (t) => {
  let heard = 0;
  let closed = 0;
  let opened = 0;
  const server = createServer((socket) => {
    opened++;
    const reader = new MessageReader();
    socket.on('error', () => undefined);
    socket.on('close', () => closed++);
    socket.on('data', (chunk) => {
      for (const { kind } of reader.take(chunk)) {
        if (kind === LOGIN) heard++;
        if (kind !== HELLO) continue;
        socket.write(encodeMessage(READY));
        for (let i = 0; i < 500; i++) socket.write(encodeMessage(ASK_LOGIN));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  let signed = 0;
  const link = localLink({
    url: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deviceId: new Uint8Array(16),
    classId: new Uint8Array(16),
    backoff: { firstMs: 1, longestMs: 1 },
  });
  const none = () => undefined;
  link.open({ up: none, down: none, announcement: none, answer: none, command: none }, async () => {
    signed++;
    return new Uint8Array(40);
  });
  t.teardown(() => link.close());
  // The second connection gets no more than the first.
  while (closed < 2) await pause();
  await link.close();
  t.true(heard <= LOGINS_PER_MINUTE);
  // One for each connection, as with every link, and those that were asked for.
  t.true(signed >= LOGINS_PER_MINUTE && signed <= LOGINS_PER_MINUTE + opened + 1, `${signed}`);
});
