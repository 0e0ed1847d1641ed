/** What a product is: the arguments of the action that registers one. */
import { demand } from '@countersign/device-sdk';
import { PREDICTOR_NAMES, type PredictorName } from '@countersign/device-sdk/delta/model';
import {
  asArray,
  asText,
  asUint,
  COMPONENT_ID_CHARS_MAX,
  COMPONENTS_MAX,
  MEMORY_CLASSES,
  type MemoryClass,
  type Value,
} from '@countersign/device-sdk/format';
import { readName } from './read-name.ts';

/** Pages of devices with one slot are blocks of a container: what its header can say, and no less than models are worth. */
export const PAGE_BYTES_MIN = 4096;
const PAGE_BYTES_MAX = 2 ** 28;
/** Virtual devices of one profile in a trial: more say nothing that these do not. */
export const TRIAL_DEVICES_MAX = 1_000;
/** Approvals that a release may need: more people say nothing more. */
export const APPROVALS_MAX = 16;

export interface Product {
  vendorDomain: string;
  name: string;
  memoryClass: MemoryClass;
  /** Payload bytes of a frame. */
  frameBytes: number;
  slotBytes: number;
  /** Address of the image in the device's memory, for address prediction; 0: found by the encoder. */
  imageBase: number;
  /** Instruction set, for address prediction; undefined: found by the encoder. */
  cpu?: PredictorName | undefined;
  /** Devices with one slot, where an image is written over its own base; undefined: two slots. */
  oneSlot?: OneSlotFlashSizes | undefined;
  /** What a trial record must show before a release may be approved; undefined: none is asked for. */
  requireTrial?: RequireTrial | undefined;
  /** Further components, in the order of every release; undefined: the application alone. */
  components?: ComponentSlotSize[] | undefined;
  /** Approvals by distinct people that a release needs, 2 to 16; undefined: one. */
  approvals?: number | undefined;
}

/** A component with two slots besides the application's. Its instruction set is found by the encoder. */
export interface ComponentSlotSize {
  id: string;
  slotBytes: number;
}

/** The least that a trial record has to show, of every profile in it. */
export interface RequireTrial {
  /** Virtual devices of each profile. */
  devices: number;
  /** Of each profile's devices, those that ended on the new release. */
  successPercent: number;
}

/** What an encoder and a trial must know of the flash of devices with one slot. */
export interface OneSlotFlashSizes {
  /** Bytes that are made and written at once, a power of two from 4096 to 2^28: a scratch page holds them. */
  pageBytes: number;
  /** Bytes of the staging area, which holds a release's frames. */
  stagingBytes: number;
}

/** The shortest form alone, so that one product has one encoding. */
export function productArgs(p: Product): Value {
  const six = [p.vendorDomain, p.name, p.memoryClass, p.frameBytes, p.slotBytes, p.imageBase];
  const oneSlot = p.oneSlot ? [p.oneSlot.pageBytes, p.oneSlot.stagingBytes] : null;
  const { cpu = null, requireTrial } = p;
  const tried = requireTrial ? [requireTrial.devices, requireTrial.successPercent] : null;
  const components = p.components?.map(({ id, slotBytes }): Value => [id, slotBytes]);
  const { approvals = 1 } = p;
  if (approvals !== 1) return [...six, cpu, oneSlot, tried, components ?? null, approvals];
  if (components) return [...six, cpu, oneSlot, tried, components];
  if (tried) return [...six, cpu, oneSlot, tried];
  if (oneSlot) return [...six, cpu, oneSlot];
  return cpu === null ? six : [...six, cpu];
}

/** @throws Refusal MALFORMED */
export function readProduct(args: Value): Product {
  const length = Array.isArray(args) && args.length > 6 && args.length < 12 ? args.length : 6;
  const [
    vendorDomain,
    name,
    memoryClass,
    frameBytes,
    slotBytes,
    imageBase,
    cpu,
    oneSlot,
    tried,
    components,
    approvals,
  ] = asArray(args, 'product', length);
  const known = MEMORY_CLASSES.find((item) => item === memoryClass);
  demand(known, 'MALFORMED', `${String(memoryClass)} is not a memory class`);
  return {
    vendorDomain: asText(vendorDomain, 'vendor domain', 253),
    name: readName(name),
    memoryClass: known,
    frameBytes: asUint(frameBytes, 'frame size', 4096),
    slotBytes: asUint(slotBytes, 'slot size', 0xffffffff),
    imageBase: asUint(imageBase, 'image base', 0xffffffff),
    ...((length === 7 || (length > 7 && cpu !== null)) && { cpu: readCpu(cpu) }),
    ...((length === 8 || (length > 8 && oneSlot !== null)) && { oneSlot: readOneSlot(oneSlot) }),
    ...((length === 9 || (length > 9 && tried !== null)) && { requireTrial: readRequireTrial(tried) }),
    ...((length === 10 || (length > 10 && components !== null)) && { components: readComponents(components) }),
    ...(length > 10 && { approvals: readApprovals(approvals) }),
  };
}

/** One is what a product without this argument needs, and has the shorter form. */
function readApprovals(value: Value | undefined): number {
  const approvals = asUint(value, 'approvals', APPROVALS_MAX);
  demand(approvals > 1, 'MALFORMED', 'approvals are left out, or two and more');
  return approvals;
}

function readRequireTrial(value: Value | undefined): RequireTrial {
  const [devices, successPercent] = asArray(value, 'required trial', 2);
  return {
    devices: asUint(devices, 'devices of a profile', TRIAL_DEVICES_MAX),
    successPercent: asUint(successPercent, 'success percent', 100),
  };
}

function readComponents(value: Value | undefined): ComponentSlotSize[] {
  const items = asArray(value, 'components');
  demand(items.length > 0 && items.length < COMPONENTS_MAX, 'MALFORMED', `${items.length} further components`);
  return items.map((item) => {
    const [id, slotBytes] = asArray(item, 'component', 2);
    return {
      id: asText(id, 'component id', COMPONENT_ID_CHARS_MAX),
      slotBytes: asUint(slotBytes, 'slot size', 0xffffffff),
    };
  });
}

function readOneSlot(value: Value | undefined): OneSlotFlashSizes {
  const [pageBytes, stagingBytes] = asArray(value, 'flash of one slot', 2);
  return {
    pageBytes: asUint(pageBytes, 'page size', PAGE_BYTES_MAX),
    stagingBytes: asUint(stagingBytes, 'staging area', 0xffffffff),
  };
}

function readCpu(value: Value | undefined): PredictorName {
  const name = PREDICTOR_NAMES.find((item) => item === value);
  demand(name, 'MALFORMED', `${String(value)} is not an instruction set`);
  return name;
}
