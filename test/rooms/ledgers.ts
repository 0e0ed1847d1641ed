/** Ledgers of one process each, and the contract. Why they are together: ava.quick.config.mjs. */
import '../attacks/audit.test.ts';
import '../attacks/contract.test.ts';
import '../broker/components.test.ts';
import '../broker/ledger-audit.test.ts';
import '../broker/ledger-contract.test.ts';
import '../broker/ledger-engine.test.ts';
import '../broker/ledger-trial.test.ts';
import '../broker/one-slot.test.ts';
import '../broker/passport.test.ts';
import '../broker/passport-applies.test.ts';
import '../broker/rollout-holds.test.ts';
import '../broker/shared-verifier.test.ts';
