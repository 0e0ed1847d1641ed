/** Registering a product: what `publish --new-product` asks for, and what stays as it was registered. */
import { codeOf, demand } from '@countersign/device-sdk';
import { PREDICTOR_NAMES, type PredictorName } from '@countersign/device-sdk/delta/model';
import { FRAME_BYTES, MEMORY_CLASSES, type MemoryClass, type Signer } from '@countersign/device-sdk/format';
import { type Command, Option } from 'commander';
import { APPROVALS_MAX, type Product } from '../../ledger/contract/args.ts';
import type { ProductView } from '../../ledger/contract/views.ts';
import { getProduct, registerProduct } from '../client/releases.ts';
import type { Session } from '../client/session.ts';
import { note, WrongUse } from './program.ts';
import { collectSlots, readAddress, readPage, readPercent, readWhole } from './values.ts';

export interface NewProductOptions {
  product: string;
  newProduct?: boolean;
  vendor?: string;
  memoryClass?: MemoryClass;
  slotBytes?: number;
  frameBytes?: number;
  imageBase?: number;
  cpu?: PredictorName;
  slots?: '1' | '2';
  pageBytes?: number;
  stagingBytes?: number;
  trialDevices?: number;
  trialSuccess?: number;
  componentSlot?: { id: string; slotBytes: number }[];
  approvals?: number;
}

export function newProductOptions(command: Command): void {
  command
    .option('--new-product', 'register the product first; needs --vendor, --memory-class and --slot-bytes')
    .option('--vendor <domain>', 'vendor domain of a new product, such as example.com')
    .addOption(new Option('--memory-class <class>', 'memory class of a new product').choices(MEMORY_CLASSES))
    .option('--slot-bytes <n>', 'slot size of a new product', readWhole)
    .option(
      '--frame-bytes <n>',
      'payload bytes of a frame of a new product, 256 to 4096; by default as its class',
      readWhole,
    )
    .option(
      '--image-base <n>',
      "address of a new product's images in memory (0x… allowed); 0, the default: found",
      readAddress,
    )
    .addOption(
      new Option('--cpu <name>', 'instruction set of a new product; found if left out').choices(PREDICTOR_NAMES),
    )
    .addOption(
      new Option('--slots <n>', 'image slots of a new product; 1 needs --page-bytes and --staging-bytes [2]').choices([
        '1',
        '2',
      ]),
    )
    .option('--page-bytes <n>', 'with one slot: bytes written at once, a power of two from 4096 on', readPage)
    .option('--staging-bytes <n>', 'with one slot: flash that holds a release before it is written', readWhole)
    .option(
      '--component-slot <id=bytes>',
      'a further component of a new product and the size of each of its two slots; repeat for more',
      collectSlots,
    )
    .option(
      '--approvals <k>',
      'approvals by k distinct people, none of them the uploader, before a release of a new product counts [1]',
      readWhole,
    )
    .option(
      '--trial-devices <n>',
      'a release of a new product needs a trial on so many devices of every profile',
      readWhole,
    )
    .option('--trial-success <percent>', 'of them, those that must end on the new release [100]', readPercent);
}

/** @throws WrongUse; Refusal NO_SPACE */
export function newProductOf(o: NewProductOptions, imageBytes: number): Product {
  const { vendor, memoryClass, slotBytes } = o;
  if (vendor === undefined || memoryClass === undefined || slotBytes === undefined) {
    throw new WrongUse('--new-product needs --vendor, --memory-class and --slot-bytes');
  }
  // A product's slot stays for good: a size that does not even hold this image was a mistake.
  demand(imageBytes <= slotBytes, 'NO_SPACE', `the image has ${imageBytes} bytes, --slot-bytes are ${slotBytes}`);
  return {
    vendorDomain: vendor,
    name: o.product,
    memoryClass,
    frameBytes: o.frameBytes ?? FRAME_BYTES[memoryClass],
    slotBytes,
    imageBase: o.imageBase ?? 0,
    cpu: o.cpu,
    oneSlot: oneSlotOf(o),
    requireTrial: requireTrialOf(o),
    components: componentsOf(o),
    approvals: approvalsOf(o),
  };
}

/** @throws Refusal EXISTS, NOT_PERMITTED */
export async function registerNew(session: Session, signer: Signer, product: Product): Promise<void> {
  const { name, vendorDomain } = product;
  try {
    await registerProduct(session, signer, product);
    note(`registered product ${name} of ${vendorDomain}`);
  } catch (error) {
    if (codeOf(error) !== 'EXISTS') throw error;
    checkSame(await getProduct(session, name), product);
    note(`product ${name} of ${vendorDomain} is registered already`);
  }
}

function oneSlotOf({ slots, pageBytes, stagingBytes }: NewProductOptions): Product['oneSlot'] {
  if (slots === '1' && pageBytes !== undefined && stagingBytes !== undefined) return { pageBytes, stagingBytes };
  const named = slots === '1' || pageBytes !== undefined || stagingBytes !== undefined;
  if (named) throw new WrongUse('--slots 1, --page-bytes and --staging-bytes go together');
  return undefined;
}

/** Said here, before a name is used up for a product that the ledger would refuse. */
function componentsOf({ componentSlot, slots }: NewProductOptions): Product['components'] {
  if (!componentSlot) return undefined;
  if (slots === '1') throw new WrongUse('a product with one slot has one component');
  return componentSlot;
}

function approvalsOf({ approvals }: NewProductOptions): number | undefined {
  const good = approvals === undefined || (approvals >= 1 && approvals <= APPROVALS_MAX);
  if (!good) throw new WrongUse(`--approvals is 1 to ${APPROVALS_MAX}`);
  return approvals === 1 ? undefined : approvals;
}

function requireTrialOf({ trialDevices, trialSuccess }: NewProductOptions): Product['requireTrial'] {
  if (trialDevices !== undefined) return { devices: trialDevices, successPercent: trialSuccess ?? 100 };
  if (trialSuccess !== undefined) throw new WrongUse('--trial-success goes with --trial-devices');
  return undefined;
}

/** What was registered stays; other words about it must not pass as if they had counted. */
function checkSame(known: ProductView, asked: Product): void {
  const flat = ({ oneSlot, requireTrial, components, ...fields }: Product | ProductView) => ({
    ...fields,
    pageBytes: oneSlot?.pageBytes,
    stagingBytes: oneSlot?.stagingBytes,
    trialDevices: requireTrial?.devices,
    trialSuccess: requireTrial?.successPercent,
    components: components?.map(({ id, slotBytes }) => `${id}=${slotBytes}`).join(),
  });
  const [was, now] = [flat(known), flat(asked)];
  const fields = ['vendorDomain', 'memoryClass', 'slotBytes', 'frameBytes', 'imageBase', 'cpu'] as const;
  const more = ['pageBytes', 'stagingBytes', 'trialDevices', 'trialSuccess', 'components', 'approvals'] as const;
  for (const field of [...fields, ...more]) {
    const [before, after] = [was[field] ?? 'left out', now[field] ?? 'left out'];
    const text = `${known.name} is registered with ${field} ${before}, not ${after}; it stays so: choose another name`;
    demand(before === after, 'EXISTS', text);
  }
}
