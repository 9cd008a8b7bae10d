import { BACKEND_NAMES, type BackendName } from '../../src/backend/index.js';

/** Names the one backend that the contract, tap and metrics tests are to run on, and which then must open. */
const VARIABLE = 'MERGEGUARD_TEST_BACKEND';

/** The backend asked for, or null. */
export const demanded = read();

/** The backend of tests that run on one: wasm, unless another is asked for. */
export const chosen: BackendName = demanded ?? 'wasm';

function read(): BackendName | null {
  const name = process.env[VARIABLE];
  if (!name) {
    return null;
  }
  if (!BACKEND_NAMES.includes(name as BackendName)) {
    throw new Error(`${VARIABLE} is ${name}; known are ${BACKEND_NAMES.join(', ')}`);
  }
  return name as BackendName;
}
