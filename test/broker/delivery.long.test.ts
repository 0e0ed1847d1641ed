import test from 'ava';
import { eventually, makeBed, RawClient } from './delivery-bed.ts';
import { fuzzBroker } from './delivery-fuzz.ts';

// One after the other: the memory that is looked at is the process's.
test.serial('five thousand connections with changed packets do no harm and leave no memory behind', async (t) => {
  await fuzzBroker(t, 500, 2);
  const before = process.memoryUsage().rss;
  await fuzzBroker(t, 5_000, 3);
  const grown = process.memoryUsage().rss - before;
  t.true(grown < 100_000_000, `memory grew by ${grown} bytes`);
});

test.serial(
  'a device that logs in again and again while its old connections end has one connection in the end',
  async (t) => {
    const bed = await makeBed(t);
    const device = bed.device();
    const clients: RawClient[] = [];
    for (let i = 0; i < 300; i++) {
      const client = new RawClient(bed.delivery.port);
      clients.push(client);
      const password = Buffer.from(await device.login());
      const answered = client.connect({ clientId: device.name, username: device.name, password });
      // Some end by themselves, at the worst of moments: while their successor logs in.
      if (i % 3 === 0) clients[i - 1]?.close();
      if (i % 2 === 0) await answered;
    }
    const last = clients.at(-1)!;
    await last.connack();
    for (const client of clients.slice(0, -1)) await client.ended();
    t.is(await last.subscribe(`ota/v1/d/${device.name}/frm`), 0);
    await eventually(() => bed.delivery.metrics().loggedIn === 1);
    t.true(bed.delivery.disconnect(device.id), 'the broker still knows the connection by its name');
    await last.ended();
  },
);
