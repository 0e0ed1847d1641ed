/** Numbers for the few sums that no backend does. They see public values only and need not be constant time. */

/** The remainders of a prime. @returns `mod` for any integer; `power` for a base below the prime and no negative exponent */
export function primeField(prime: bigint) {
  const mod = (value: bigint): bigint => {
    const rest = value % prime;
    return rest < 0n ? rest + prime : rest;
  };
  const power = (base: bigint, exponent: bigint): bigint => {
    let product = 1n;
    for (const bit of exponent.toString(2)) {
      product = mod(product * product);
      if (bit === '1') product = mod(product * base);
    }
    return product;
  };
  return { mod, power };
}

export function bigEndian(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

export function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
