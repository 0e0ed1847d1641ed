/** Command sequences of any SUIT manifest, expanded for people: nested sequences become lists, labels get names. */
import { demand, Refusal } from '../errors.ts';
import { type CborMap, type DecodeOptions, decode, type Value } from './cbor.ts';
import { asArray, asBytes, asInt, asMap, asUint, shown, toPlain } from './shape.ts';
import { COMMANDS, type CommandLabel, PARAMETERS } from './suit-labels.ts';

/** One command: what stands in the manifest, and its name in the draft. */
export interface Command {
  label: number;
  name: string;
  args: unknown;
}

export interface SequenceContext {
  components: number;
  /** The shared sequence may set and compare parameters, nothing else. */
  shared: boolean;
  /** Called for what is well formed but must be refused. Reading goes on. */
  refuse(refusal: Refusal): void;
}

/** Sequences inside sequences: each level restarts the CBOR reader, so its own limit on depth does not help. */
export const SEQUENCE_DEPTH_MAX = 8;
export const LENIENT: DecodeOptions = { unsorted: true, arrayKeys: true, itemsMax: 65_536 };

/** @throws Refusal MALFORMED, TOO_LARGE */
export function expandSequence(bytes: Uint8Array, context: SequenceContext, depth = 0): Command[] {
  demand(depth < SEQUENCE_DEPTH_MAX, 'TOO_LARGE', `sequences are nested deeper than ${SEQUENCE_DEPTH_MAX}`);
  const items = asArray(decode(bytes, LENIENT), 'command sequence');
  demand(items.length % 2 === 0, 'MALFORMED', 'a command sequence has a label without an argument');
  const commands: Command[] = [];
  for (let i = 0; i < items.length; i += 2) {
    commands.push(expandCommand(asInt(items[i], 'command label'), items[i + 1]!, context, depth));
  }
  return commands;
}

function expandCommand(label: number, argument: Value, context: SequenceContext, depth: number): Command {
  const known = COMMANDS.get(label);
  if (!known) {
    context.refuse(new Refusal('UNSUPPORTED', `command ${label} is unknown`));
    return { label, name: 'unknown', args: toPlain(argument) };
  }
  if (context.shared && !known.shared) {
    context.refuse(new Refusal('MALFORMED', `${known.name} may not stand in the shared sequence`));
  }
  if (label === 12) checkComponentIndex(argument, context.components);
  return { label, name: known.name, args: expandArgument(known, argument, context, depth) };
}

function expandArgument(known: CommandLabel, argument: Value, context: SequenceContext, depth: number): unknown {
  switch (known.argument) {
    case 'policy':
      return asUint(argument, `reporting policy of ${known.name}`);
    case 'sequence':
      return expandSequence(asBytes(argument, known.name), context, depth + 1);
    case 'sequences':
      return asArray(argument, known.name).map((item) =>
        item === null ? null : expandSequence(asBytes(item, known.name), context, depth + 1),
      );
    case 'parameters':
      return expandParameters(asMap(argument, known.name), context);
    case 'perComponent':
      return Object.fromEntries(
        [...asMap(argument, known.name)].map(([index, map]) => [
          String(index),
          expandParameters(asMap(map, known.name), context),
        ]),
      );
    case 'plain':
      return toPlain(argument);
  }
}

function checkComponentIndex(argument: Value, components: number): void {
  const indexes = Array.isArray(argument) ? argument : argument === true ? [] : [argument];
  for (const index of indexes) {
    demand(asUint(index, 'component index') < components, 'MALFORMED', `component ${shown(index)} does not exist`);
  }
}

function expandParameters(map: CborMap, context: SequenceContext): Record<string, unknown> {
  return Object.fromEntries([...map].map(([label, value]) => expandParameter(label, value, context)));
}

function expandParameter(label: number | string, value: Value, context: SequenceContext): [string, unknown] {
  const name = typeof label === 'number' ? PARAMETERS.get(label) : undefined;
  if (!name) context.refuse(new Refusal('UNSUPPORTED', `parameter ${shown(label)} is unknown`));
  if (name === 'image-digest') return [name, plainDigest(value)];
  if (name === 'fetch-arguments') return [name, named(value, ['chainHead', 'frameBytes', 'frameCount'])];
  if (name === 'release') return [name, named(value, ['version', 'policy'])];
  return [name ?? String(label), toPlain(value)];
}

function plainDigest(value: Value): unknown {
  const [alg, digest] = asArray(decode(asBytes(value, 'image digest'), LENIENT), 'image digest', 2);
  return { alg: asInt(alg, 'digest algorithm'), digest: toPlain(asBytes(digest, 'image digest')) };
}

/** The elements of our own two byte strings by name; other makers may put anything there, which stays hex. */
function named(value: Value, names: readonly string[]): unknown {
  const bytes = asBytes(value, 'parameter');
  try {
    const items = asArray(decode(bytes, LENIENT), 'parameter', names.length);
    return Object.fromEntries(names.map((name, i) => [name, toPlain(items[i]!)]));
  } catch (error) {
    if (error instanceof Refusal) return toPlain(bytes);
    throw error;
  }
}
