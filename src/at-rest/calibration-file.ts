import type { Calibration } from '../reference/index.js';
import { formatShape, listProblems, MergeguardError, openSafetensors, toFloat32 } from '../tensors/index.js';

const INPUTS = ['inputs', 'images'];
/** Labels are stored as 32-bit integers. */
const MOST_CLASSES = 2 ** 31;

/**
 * Calibration samples of a task: a safetensors file with `inputs` (or `images`) [N, ...], as the model takes them, and `labels` [N], class
 * numbers.
 * @throws MergeguardError with everything that is wrong with it
 */
export async function readCalibration(path: string): Promise<Calibration> {
  const file = await openSafetensors(path);
  try {
    const problems: string[] = [];
    const name = INPUTS.find((candidate) => file.names.includes(candidate));
    if (name === undefined) {
      problems.push(`it holds no tensor called ${INPUTS.join(' or ')} (it holds ${file.names.join(', ')})`);
    }
    if (!file.names.includes('labels')) {
      problems.push('it holds no tensor called labels');
    }
    if (name !== undefined && file.names.includes('labels')) {
      const [inputs, labels] = [await file.read(name), await file.read('labels')];
      if (labels.shape.length !== 1 || inputs.shape.length < 2 || labels.shape[0] !== inputs.shape[0]) {
        problems.push(
          `${name} is ${formatShape(inputs.shape)} and labels ${formatShape(labels.shape)}; they must be [N, ...] and [N]`,
        );
      } else if (inputs.data.length === 0) {
        problems.push(`${name} is ${formatShape(inputs.shape)}, which is no sample at all`);
      }
      const broken = toFloat32(inputs.data).filter((value) => !Number.isFinite(value)).length;
      if (broken > 0) {
        problems.push(`${broken} of ${inputs.data.length} values of ${name} are NaN or infinite`);
      }
      const classes = Array.from(labels.data as ArrayLike<number | bigint>, Number);
      const wrong = classes.find((label) => !(Number.isInteger(label) && label >= 0 && label < MOST_CLASSES));
      if (wrong !== undefined) {
        problems.push(`the label ${wrong} is not a class number from 0`);
      }
      if (problems.length === 0) {
        return {
          images: { shape: inputs.shape, data: toFloat32(inputs.data) },
          labels: Int32Array.from(classes),
        };
      }
    }
    throw new MergeguardError(listProblems(`"${path}" holds no calibration samples:`, problems));
  } finally {
    await file.close();
  }
}
