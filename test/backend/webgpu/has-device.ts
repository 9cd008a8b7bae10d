import { surveyBackends } from '../../../src/backend/index.js';

const { opens, description } = (await surveyBackends()).find(({ name }) => name === 'webgpu')!;

export const hasDevice = opens;

/** Title of tests that need a device: why they are skipped, where they are. */
export const onDevice = opens
  ? `on ${description}`
  : `skipped, webgpu does not open here: ${description} (Debian's chromium has a software driver: \`npm run test:backend:webgpu\`)`;

/** A software driver refuses large buffers without having to be filled. */
export const isSoftware = opens && description.endsWith(', a software adapter');
