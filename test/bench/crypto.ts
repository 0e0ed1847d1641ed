/**
 * Microseconds per operation of each crypto backend, as CSV with commit and machine. Run after a build:
 *   node test/dist/bench/crypto.js
 */
import { nobleKeyStore, nobleVerifier } from '@countersign/device-sdk/crypto/noble';
import { tweetnaclKeyStore, tweetnaclVerifier } from '@countersign/device-sdk/crypto/tweetnacl';
import { generateKeyPair, nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { bench, millisecondsEach } from '../support/bench.ts';

const verifiers = { noble: nobleVerifier(), tweetnacl: tweetnaclVerifier(), node: nodeVerifier() };
const algorithms = { Ed25519: -19, ESP256: -9 };
const message = new Uint8Array(256);

const print = bench('backend', 'operation', 'us');
for (const [name, alg] of Object.entries(algorithms)) {
  const { secret, publicKey } = generateKeyPair(alg);
  const signature = await nodeKeyStore(alg, secret).sign(message);
  for (const [backend, verifier] of Object.entries(verifiers)) {
    if (!verifier.algorithms.includes(alg)) continue;
    await row(backend, `verify ${name}`, () => verifier.verify(alg, publicKey, message, signature));
    await row(backend, `checkKey ${name}${backend === 'node' ? ', known already' : ''}`, () =>
      verifier.checkKey(alg, publicKey),
    );
  }
  const signers = { noble: nobleKeyStore(alg, secret), node: nodeKeyStore(alg, secret) };
  for (const [backend, signer] of Object.entries(signers))
    await row(backend, `sign ${name}`, () => signer.sign(message));
  if (alg === algorithms.Ed25519) {
    const signer = tweetnaclKeyStore(secret);
    await row('tweetnacl', `sign ${name}`, () => signer.sign(message));
    const cold = nodeVerifier({ importedKeysMax: 0 });
    await row('node', `verify ${name}, key imported each time`, () => cold.verify(alg, publicKey, message, signature));
  }
}
for (const [backend, verifier] of Object.entries(verifiers)) {
  await row(backend, 'SHA-256 of 1 KB', () => verifier.sha256(new Uint8Array(1024)));
  await row(backend, 'SHA-256 of 256 KB', () => verifier.sha256(new Uint8Array(262_144)));
}

async function row(backend: string, operation: string, once: () => unknown): Promise<void> {
  print(backend, operation, (1000 * (await millisecondsEach(once))).toFixed(1));
}
