import { demand } from '@countersign/device-sdk';
import { asText, type Value } from '@countersign/device-sdk/format';

/** Names of people and products. @throws Refusal MALFORMED */
export function readName(value: Value | undefined): string {
  const name = asText(value, 'name', 32);
  demand(
    /^[a-z0-9][a-z0-9._-]*$/.test(name),
    'MALFORMED',
    'a name is lower-case letters, digits, dot, dash, underscore',
  );
  return name;
}
