import type { Reference } from '../reference/index.js';
import { canonicalName, compareTensors, shapesOf } from '../tensors/index.js';
import type { Task } from '../zoo/index.js';

/** @throws MergeguardError where the head of a zoo model is one of another task: of other names, classes or width */
export function checkHead({ name, head, tensors }: Reference, task: Task): void {
  const width = tensors.find((tensor) => tensor.name === 'encoder.position')?.shape[1];
  if (head === null || width === undefined) {
    return;
  }
  const expected = new Map([
    [canonicalName(`head/${task.name}/kernel`), [task.classes, width]],
    [canonicalName(`head/${task.name}/bias`), [task.classes]],
  ]);
  compareTensors(expected, shapesOf(head), {
    what: `the head of ${name}`,
    against: `the task ${task.name}`,
    advice: 'give the model the task that it was trained on',
  });
}
