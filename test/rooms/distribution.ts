/** The distribution server without a network. Why they are together: ava.quick.config.mjs. */
import '../broker/distribution-devices.test.ts';
import '../broker/distribution-hostile.test.ts';
import '../broker/distribution-keys.test.ts';
import '../broker/distribution-rollouts.test.ts';
import '../broker/distribution-trust.test.ts';
import '../broker/standing.test.ts';
