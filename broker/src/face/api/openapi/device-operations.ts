import { operation, STATEMENT_TYPES } from './operation.ts';
import { hexText, list, object, record, ref, strictly, text, whole } from './schema.ts';

const tag = 'Devices';
const PRODUCT = { product: text('of this product alone', { minLength: 1, maxLength: 512 }) };

export const DEVICES = operation({ tag, summary: 'All devices', query: PRODUCT, answer: list(ref('Device')) });
export const DEVICE = operation({
  ...{ tag, summary: 'One device, with its last report' },
  params: { name: text('device id in hex, from its first 8 digits on') },
  answer: ref('DeviceWithReport'),
});
export const GRANTS = operation({
  ...{ tag, summary: 'Who may enrol devices without a person', query: PRODUCT, answer: list(ref('Grant')) },
});
export const PUT_LIST = operation({
  ...{ tag, summary: 'Hand in the list that a grant names', description: 'Serials stay on this server.' },
  params: { id: text('grant id: 16 bytes in hex') },
  body: strictly({
    devices: list(strictly({ serial: text(), salt: hexText(16), print: hexText(32, 'thumbprint of the key') }), {
      minItems: 1,
      maxItems: 10_000,
    }),
  }),
  answer: object({ devices: whole('how many') }),
});
export const SET_LABELS = operation({
  ...{ tag, summary: 'Label devices', description: 'Labels and names stay on this server and never reach the ledger.' },
  body: strictly({
    devices: list(strictly({ deviceId: text(), labels: record(text()), name: text() }, ['labels', 'name']), {
      minItems: 1,
      maxItems: 500,
    }),
  }),
  answer: object({ devices: whole('how many') }),
});
export const SEND_COMMAND = operation({
  ...{ tag, summary: 'Have a device ask now' },
  description:
    'Signed by the command key. `ask`: for its announcement; `retry`: besides, it forgets refusals and fetches and bytes that were used up. A device that is not connected does not hear it.',
  params: { name: text('device id in hex, from its first 8 digits on') },
  body: strictly({ command: text('ask or retry') }),
  answer: object({ deviceId: hexText(16), command: text(), counter: whole('of the command') }),
});
export const PUT_PASSPORT = operation({
  ...{ tag, summary: 'Hand in a signed passport' },
  body: { bytes: 'COSE_Sign1', types: STATEMENT_TYPES },
  answer: object({ digest: hexText(32) }),
});
export const DEVICE_PASSPORT = operation({
  ...{ tag, summary: 'The passport in force of a device' },
  params: { name: text('device id: 16 bytes in hex') },
  answer: ref('Passport'),
});
export const PRODUCT_PASSPORT = operation({
  ...{ tag, summary: 'The passport in force of a product' },
  params: { name: text('product name or class id') },
  answer: ref('Passport'),
});
