/** Encodings, statements, signatures and their vectors. Why they are together: ava.quick.config.mjs. */
import '../device-sdk/cbor.test.ts';
import '../device-sdk/days.test.ts';
import '../device-sdk/verify.test.ts';
import '../fuzz/c2sp.test.ts';
import '../house/refusals.test.ts';
import '../mutation/instrument.test.ts';
import '../property/crypto.test.ts';
import '../property/ledger-tree.test.ts';
import '../vectors/c2sp.test.ts';
import '../vectors/cose.test.ts';
import '../vectors/cose-receipts.test.ts';
import '../vectors/ecqv.test.ts';
import '../vectors/ed25519-edge.test.ts';
import '../vectors/esp256-edge.test.ts';
import '../vectors/ids.test.ts';
import '../vectors/merkle.test.ts';
import '../vectors/wycheproof.test.ts';
