import { bySeverity, type Finding } from './finding.js';
import { folderOf, type ModelFolder, readModelFolder } from './model-folder.js';
import { CHECKS } from './registry.js';

/** A checkpoint, for the files that lie beside it. */
export interface ModelFiles {
  /** that messages use */
  readonly name: string;
  /** of a checkpoint file, an index file or a folder */
  readonly path: string;
}

/**
 * Compares the Hugging Face files beside each model with those beside the base: what makes merges fail in practice,
 * found before any tensor is read. Files that are not there are not compared; a path that does not exist is left to
 * whoever opens it. Nothing about a file is thrown: one that can't be read is a warning of the check `files`.
 *
 * @returns errors, then warnings, then infos; each of them by model in the order given
 */
export async function checkModelFiles(base: ModelFiles, models: readonly ModelFiles[]): Promise<Finding[]> {
  const basePath = await folderOf(base.path);
  if (basePath === null) {
    return [];
  }
  const baseFolder = await readModelFolder(basePath);
  // Against itself nothing differs, but the base may be of no use by itself: broken files, quantised weights.
  const findings = findingsOf(base.name, baseFolder, baseFolder);
  let folder = baseFolder;
  for (const model of models) {
    const path = await folderOf(model.path);
    // Checkpoints in one folder share its configuration.
    if (path === null || path === basePath) {
      continue;
    }
    // Checkpoints of one run lie in one folder; only the last is kept, for a vocabulary takes tens of megabytes.
    if (path !== folder.path) {
      folder = await readModelFolder(path);
    }
    findings.push(...findingsOf(model.name, folder, baseFolder));
  }
  return bySeverity(findings);
}

function findingsOf(name: string, model: ModelFolder, base: ModelFolder): Finding[] {
  const findings: Finding[] = [];
  for (const problem of model.problems) {
    findings.push({ severity: 'warning', check: 'files', model: name, text: problem });
  }
  for (const { id, compare } of CHECKS) {
    for (const { severity, text } of compare(name, model, base)) {
      findings.push({ severity, check: id, model: name, text });
    }
  }
  return findings;
}
