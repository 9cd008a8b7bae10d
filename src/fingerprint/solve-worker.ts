import { serveThread } from '../threads/index.js';
import { solveProgram } from './solve.js';

/** The thread's side of SolverPool: one program in, one solution out. */
serveThread(solveProgram);
