import { Refusal } from '@countersign/device-sdk';
import { crc32, Journal } from '@countersign/device-sdk/install';
import { GEOMETRIES, VirtualFlash } from '@countersign/device-sdk/rig';
import test from 'ava';

const bytes = (text: string) => new Uint8Array(Buffer.from(text));
const text = (value: Uint8Array | undefined) => value && Buffer.from(value).toString();
const store = (banks = 2) => new VirtualFlash({ ...GEOMETRIES.tiny, bytes: banks * 1024 });

test('the check is CRC-32 as everybody computes it, in one piece or several', (t) => {
  t.is(crc32(bytes('123456789')), 0xcbf43926);
  t.is(crc32(bytes('6789'), crc32(bytes('12345'))), 0xcbf43926);
  t.is(crc32(new Uint8Array(0)), 0);
});

test('a blank region opens empty and is not touched by opening', (t) => {
  const flash = store();
  const journal = Journal.open(flash);
  t.deepEqual(journal.keys(), []);
  t.is(journal.get(1), undefined);
  t.is(flash.power.operations, 0);
});

for (const [name, geometry] of Object.entries(GEOMETRIES)) {
  test(`keeps values over restarts on ${name} flash`, (t) => {
    const flash = new VirtualFlash({ ...geometry, bytes: 2 * geometry.eraseBytes });
    const journal = Journal.open(flash);
    journal.put([
      [1, bytes('one')],
      [65535, bytes('last')],
      [0, new Uint8Array(0)],
    ]);
    journal.put([
      [1, bytes('uno')],
      [65535, undefined],
      [7, bytes('x'.repeat(300))],
    ]);
    for (const view of [journal, Journal.open(flash)]) {
      t.deepEqual(view.keys(), [0, 1, 7]);
      t.is(text(view.get(0)), '');
      t.is(text(view.get(1)), 'uno');
      t.is(text(view.get(7)), 'x'.repeat(300));
      t.is(view.get(65535), undefined);
      t.false(view.fellBack);
    }
  });
}

test('goes through its banks for ever and wears them evenly', (t) => {
  const flash = store(4);
  let journal = Journal.open(flash, { bankBytes: 1024 });
  for (let i = 0; i < 400; i++) {
    if (i % 37 === 0) journal = Journal.open(flash, { bankBytes: 1024 });
    journal.put([[i % 5, bytes(`value ${i}`)]]);
  }
  t.deepEqual(
    [0, 1, 2, 3, 4].map((key) => text(Journal.open(flash, { bankBytes: 1024 }).get(key))),
    ['value 395', 'value 396', 'value 397', 'value 398', 'value 399'],
  );
  t.true(Math.max(...flash.wear) - Math.min(...flash.wear) <= 1, flash.wear.join());
});

test('a session erases nothing until its bank is full', (t) => {
  const flash = new VirtualFlash({ ...GEOMETRIES.serialNor, bytes: 8192 });
  const journal = Journal.open(flash);
  for (let i = 0; i < 100; i++) journal.put([[1, Uint8Array.of(i)]]);
  t.deepEqual(flash.wear, [1, 0]);
});

test('more than a bank holds is refused, and everything stays as it was', (t) => {
  const flash = store();
  const journal = Journal.open(flash);
  journal.put([[1, bytes('kept')]]);
  const before = flash.dump();
  const refusal = t.throws(
    () =>
      journal.put([
        [1, bytes('lost')],
        [2, new Uint8Array(1000)],
      ]),
    { instanceOf: Refusal },
  );
  t.is(refusal?.code, 'NO_SPACE');
  t.deepEqual(flash.dump(), before);
  t.is(text(journal.get(1)), 'kept');
  journal.put([[2, new Uint8Array(journal.bytesMax - journal.bytesUsed - 4)]]); // exactly full
  t.is(journal.bytesUsed, journal.bytesMax);
  journal.put([[2, undefined]]); // and removing is always possible
  t.deepEqual(Journal.open(flash).keys(), [1]);
});

test('a region that was in use and is damaged throughout is BAD_STATE, until it is formatted', (t) => {
  const flash = store();
  Journal.open(flash).put([[1, bytes('a')]]);
  Journal.open(flash).put([[1, bytes('b')]]);
  flash.corrupt(3, 1);
  flash.corrupt(1024 + 3, 1);
  t.is(t.throws(() => Journal.open(flash), { instanceOf: Refusal })?.code, 'BAD_STATE');
  t.deepEqual(Journal.format(flash).keys(), []);
  Journal.open(flash).put([[1, bytes('c')]]);
  t.is(text(Journal.open(flash).get(1)), 'c');
});

test('with the newest bank damaged the one before it counts, and the journal says so', (t) => {
  const flash = store();
  Journal.open(flash).put([[1, bytes('older')]]);
  Journal.open(flash).put([[1, bytes('newer')]]);
  flash.corrupt(1024 + 16 + 9, 0x10); // inside the newest bank's first record
  const journal = Journal.open(flash);
  t.true(journal.fellBack);
  t.is(text(journal.get(1)), 'older');
});

test('a flash that does not keep what it is given is FLASH_FAULT, and the next put goes elsewhere', (t) => {
  const flash = store();
  let lying = false;
  const liar = {
    bytes: flash.bytes,
    writeBytes: flash.writeBytes,
    eraseBytes: flash.eraseBytes,
    read: flash.read.bind(flash),
    erase: flash.erase.bind(flash),
    write: (offset: number, data: Uint8Array) => {
      flash.write(offset, lying ? data.map((byte) => byte & 0xf7) : data);
    },
  };
  const journal = Journal.open(liar);
  journal.put([[1, bytes('old')]]);
  lying = true;
  t.is(t.throws(() => journal.put([[1, bytes('new')]]), { instanceOf: Refusal })?.code, 'FLASH_FAULT');
  t.is(t.throws(() => journal.put([[1, bytes('new')]]), { instanceOf: Refusal })?.code, 'FLASH_FAULT');
  t.is(text(journal.get(1)), 'old');
  lying = false;
  journal.put([[1, bytes('new')]]);
  t.is(text(journal.get(1)), 'new');
  t.is(text(Journal.open(flash).get(1)), 'new');
});

test('wrong use is a RangeError', (t) => {
  const journal = Journal.open(store());
  t.throws(() => journal.put([[-1, undefined]]), { instanceOf: RangeError });
  t.throws(() => journal.put([[65536, undefined]]), { instanceOf: RangeError });
  t.throws(
    () =>
      journal.put([
        [1, undefined],
        [1, undefined],
      ]),
    { instanceOf: RangeError },
  );
  t.throws(() => journal.put([[1, new Uint8Array(65535)]]), { instanceOf: RangeError });
  t.throws(() => Journal.open(new VirtualFlash({ ...GEOMETRIES.tiny, bytes: 512 })), { instanceOf: RangeError });
  t.throws(() => Journal.open(store(), { bankBytes: 700 }), { instanceOf: RangeError });
});

test('the layout on flash is pinned: a device updated today reads what it wrote years ago', (t) => {
  const flash = store();
  Journal.open(flash).put([[5, bytes('abc')]]);
  const head = '43534a31' + '01000000' + '00040000';
  const record = '07000000' + '00000000' + '0500' + '0300' + '616263';
  const crc = (hex: string, before = 0) => {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(crc32(Buffer.from(hex, 'hex'), before));
    return value.toString('hex');
  };
  const generation = crc32(Buffer.from('01000000', 'hex'));
  const expected = [head, crc(head), record, crc(record, generation), 'ff'].join('');
  t.is(Buffer.from(flash.dump(0, expected.length / 2)).toString('hex'), expected);
});
