/** Row 44 at the API's door: stolen, borrowed and outlived tokens, and second factors. */
import { WRONG_MAX } from '@countersign/broker/face/access/factors';
import { hotp, STEP_SECONDS, stepAt } from '@countersign/broker/face/access/totp';
import { enrolPersonArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { publicKeyOf, utf8 } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { type Deed, door, EVERYTHING, guarded, type Scene, signed, waiting } from '../server/guests.ts';
import { act, newRelease, newSigner, personObject } from '../server/ledger-world.ts';

const DAY = 86_400;

/** Carol approves releases, and is dismissed: her key and her token are still there. */
async function dismissed(scene: Scene): Promise<Deed> {
  const { alice, bob } = scene.world.people;
  const carol = newSigner();
  const object = personObject('carol');
  const args = enrolPersonArgs({ name: 'carol', roles: ['approver'], key: publicKeyOf(carol) });
  await act(scene.world, alice!, 'enrol', object, args);
  await act(scene.world, bob!, 'approve', object);
  const deed = { ...(await waiting(scene)), token: await scene.tokenOf('carol'), by: carol };
  await act(scene.world, alice!, 'revoke', object, revokeArgs('person', utf8('carol'), 'left'));
  await act(scene.world, bob!, 'approve', object);
  return deed;
}

export const accessRows: readonly Variant[] = [
  door('approves with a token whose time is over', 'EXPIRED', async (scene) => {
    const deed = { ...(await waiting(scene)), token: await scene.tokenOf('bob') };
    scene.clock.now += DAY;
    return () => scene.send(deed);
  }),
  door('approves with a token that was revoked', 'UNAUTHORIZED', async (scene) => {
    const deed = { ...(await waiting(scene)), token: await scene.tokenOf('bob') };
    await scene.tokens.revoke(scene.tokens.list()[0]!.id);
    return () => scene.send(deed);
  }),
  door('approves with key and token of a person who was removed', 'UNAUTHORIZED', async (scene) => {
    const deed = await dismissed(scene);
    return () => scene.send(deed);
  }),
  door('approves with the key of a person who was removed, and another’s token', 'NOT_PERMITTED', async (scene) => {
    const deed = { ...(await dismissed(scene)), token: await scene.tokenOf('bob') };
    return () => scene.send(deed);
  }),
  door('brings a person’s approval with another person’s token', 'NOT_PERMITTED', async (scene) => {
    const deed = { ...(await waiting(scene)), token: await scene.tokenOf('alice') };
    return () => scene.send(deed);
  }),
  door('approves with a token that is for reading', 'NOT_PERMITTED', async (scene) => {
    const deed = { ...(await waiting(scene)), token: await scene.tokenOf('bob', ['read']) };
    return () => scene.send(deed);
  }),
  door('approves with a token for another product', 'NOT_PERMITTED', async (scene) => {
    const deed = { ...(await waiting(scene)), token: await scene.tokenOf('bob', EVERYTHING, ['0'.repeat(32)]) };
    return () => scene.send(deed);
  }),
  door('revokes a person with a token for one product', 'NOT_PERMITTED', async (scene) => {
    const args = revokeArgs('person', utf8('alice'), 'in the way');
    const token = await scene.tokenOf('bob', EVERYTHING, ['0'.repeat(32)]);
    return () => scene.send({ token, action: 'revoke', object: personObject('alice'), args });
  }),
  door('approves with key and token, without the code', 'BAD_FACTOR', async (scene) => {
    const { deed } = await guarded(scene);
    return () => scene.send(deed);
  }),
  door('approves with a code of five minutes ago', 'BAD_FACTOR', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    return () => scene.send({ ...deed, code: codeAt(-300) });
  }),
  door('approves with a code of five minutes ahead', 'BAD_FACTOR', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    return () => scene.send({ ...deed, code: codeAt(300) });
  }),
  door('approves with the code of another person', 'BAD_FACTOR', async (scene) => {
    const { deed } = await guarded(scene);
    const own = await scene.factors.enrol('alice', false);
    return () => scene.send({ ...deed, code: hotp(own, stepAt(scene.clock.now)) });
  }),
  door('approves twice with one code', 'FACTOR_USED', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    const second = await newRelease(scene.world, 2);
    await act(scene.world, scene.world.people.alice!, 'upload', second.leaf, second.args);
    await scene.factors.check('bob', codeAt());
    return () => scene.send({ ...deed, object: second.leaf, code: codeAt() });
  }),
  door('approves with a code that he saw being used', 'FACTOR_USED', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    await scene.factors.check('bob', codeAt());
    return () => scene.send({ ...deed, code: codeAt() });
  }),
  door('turns the clock back to a code that he saw', 'FACTOR_USED', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    const seen = codeAt();
    scene.clock.now += 10 * STEP_SECONDS;
    await scene.factors.check('bob', codeAt());
    scene.clock.now -= 10 * STEP_SECONDS;
    return () => scene.send({ ...deed, code: seen });
  }),
  door('guesses codes', 'LOCKED_OUT', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    const near = [-STEP_SECONDS, 0, STEP_SECONDS].map(codeAt);
    const wrong = ['000000', '000001', '000002', '000003'].find((code) => !near.includes(code))!;
    for (let i = 0; i < WRONG_MAX; i++) await scene.send({ ...deed, code: wrong }).catch(() => undefined);
    return () => scene.send({ ...deed, code: codeAt() });
  }),
  door('uses up somebody’s tries with what that one signed before, and anybody reads', 'CONFLICT', async (scene) => {
    const { deed, codeAt } = await guarded(scene);
    const bytes = await signed(scene.world, deed);
    await scene.send({ ...deed, bytes, code: codeAt() });
    scene.clock.now += STEP_SECONDS;
    const wrong = codeAt(-300);
    const { token } = await scene.tokens.issue({ kind: 'machine', name: 'ci', scopes: ['approve'] }, 1);
    const send = () => scene.send({ ...deed, token, bytes, code: wrong });
    for (let i = 0; i < WRONG_MAX; i++) await send().catch(() => undefined);
    return async () => {
      // His own code is good still: nothing was counted.
      await scene.factors.check('bob', codeAt());
      await send();
    };
  }),
];
