import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { build, findCompiler } from '../../../src/backend/tensorflow/compiler.js';
import { readSharedLibrary } from '../../../src/backend/tensorflow/elf.js';
import { findLibrary } from '../../../src/backend/tensorflow/library.js';
import { MergeguardError } from '../../../src/tensors/index.js';
import { writeOfficial, writeText } from './library-files.js';

/** As much of TensorFlow's C API as mergeguard's own part of the binding calls. */
const API = `
struct TFE_Op; struct TFE_Context; struct TF_Status;
enum { TF_OK };
extern "C" {
  TFE_Op* TFE_NewOp(TFE_Context*, const char*, TF_Status*);
  void TFE_ContextAddFunctionDef(TFE_Context*, const char*, unsigned long, TF_Status*);
  int TF_GetCode(TF_Status*);
}
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'compiler-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('tells the loader the folder of the libraries, of whatever name', async () => {
  const at = join(folder, 'of Anna, Ben');
  writeOfficial(at);
  writeText(join(at, 'include', 'tensorflow', 'c', 'c_api.h'), API);
  for (const file of ['tfjs_backend.cc', 'tfjs_binding.cc']) {
    writeText(join(folder, 'sources', file));
  }
  const library = await findLibrary(at);
  const out = join(folder, 'tfjs_binding.node');
  await build(await findCompiler(), join(folder, 'sources'), library, library.folder, out);
  expect((await readSharedLibrary(out, [])).searchPaths).toEqual([join(at, 'lib')]);
});

it('says where a compiler has built nothing', async () => {
  const at = join(folder, 'library');
  writeOfficial(at);
  const out = join(folder, 'tfjs_binding.node');
  const nothing = { command: 'true', leading: [], version: '1' };
  await expect(build(nothing, folder, await findLibrary(at), at, out)).rejects.toThrow(
    new MergeguardError('true (1) has built nothing, and says nothing of an error'),
  );
});
