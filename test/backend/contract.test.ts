import { describe, expect, it } from 'vitest';
import { openBackend, surveyBackends } from '../../src/backend/index.js';
import { MergeguardError } from '../../src/tensors/errors.js';
import { demanded } from './chosen.js';
import { backendContract } from './contract.js';

const surveyed = await surveyBackends();
for (const { name, opens, description, advice } of surveyed.filter(
  ({ name }) => demanded === null || name === demanded,
)) {
  if (opens || name === demanded) {
    backendContract(name);
  } else {
    describe(`backend ${name}, which does not open here`, () => {
      it('is refused with the reason and the way out', async () => {
        const refusal = await openBackend(name).catch((error: unknown) => error);
        expect(refusal).toBeInstanceOf(MergeguardError);
        const { message } = refusal as MergeguardError;
        expect(message).toContain(`backend ${name} does not open here`);
        expect(message).toContain('mergeguard doctor');
        expect(message).toContain(description);
        expect(message).toContain(advice);
      });
    });
  }
}
