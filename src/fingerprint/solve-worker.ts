import { parentPort } from 'node:worker_threads';
import type { Program } from './program.js';
import { solveProgram } from './solve.js';

/** The thread's side of SolverPool: one program in, one solution or one error text out. */
parentPort?.on('message', (program: Program) => {
  try {
    parentPort?.postMessage({ solution: solveProgram(program) });
  } catch (error) {
    parentPort?.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
});
