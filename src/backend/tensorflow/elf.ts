import { type FileHandle, open } from 'node:fs/promises';
import { MergeguardError } from '../../tensors/errors.js';

/** What is asked of a shared library before anything is linked to it. */
export interface SharedLibrary {
  readonly path: string;
  /** as in `process.arch`; a number of its own for machines that Node does not run on */
  readonly arch: string;
  /** directories in which the loader looks for what it needs or opens later, `$ORIGIN` as it stands */
  readonly searchPaths: readonly string[];
  /** names that it defines for others, without their versions */
  readonly defined: ReadonlySet<string>;
}

const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
};
/** Magic numbers of what else a library may be. */
const OTHERS: Readonly<Record<string, string>> = {
  cffaedfe: 'a macOS library',
  cafebabe: 'a macOS library',
};
const SECTION = { dynamic: 6, symbols: 11 };
const TAG = { rpath: 15, runpath: 29 };
const SYMBOL_BYTES = 24;
/** Of a 64-bit library. */
export const HEADER_BYTES = 64;

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  /** index of the section that has its strings */
  readonly link: number;
}

/**
 * Reads a 64-bit ELF library's tables, not its code.
 *
 * @param prefixes of the defined names that are wanted: there may be hundreds of thousands
 * @throws MergeguardError where the file is none
 */
export async function readSharedLibrary(path: string, prefixes: readonly string[]): Promise<SharedLibrary> {
  const file = await open(path);
  try {
    const header = await bytes(file, 0, HEADER_BYTES);
    const arch = readArch(path, header);
    if (header[4] !== 2 || header[5] === 2) {
      // big-endian and 32-bit machines are none of TensorFlow's: their tables need not be read
      return { path, arch, searchPaths: [], defined: new Set() };
    }
    const sections = await readSections(file, header);
    return {
      path,
      arch,
      searchPaths: await readSearchPaths(file, sections),
      defined: await readDefined(file, sections, prefixes),
    };
  } finally {
    await file.close();
  }
}

/**
 * The machine that a library is for, as in `process.arch`.
 *
 * @param path names it in the error
 * @param header its first HEADER_BYTES
 * @throws MergeguardError where it is none for Linux
 */
export function readArch(path: string, header: Buffer): string {
  const magic = header.toString('hex', 0, 4);
  if (magic !== '7f454c46') {
    const what = OTHERS[magic] ?? (magic.startsWith('4d5a') ? 'a Windows library' : 'no shared library');
    throw new MergeguardError(`${path} is ${what}; wanted is one for Linux on ${process.arch}`);
  }
  const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18);
  return MACHINES[machine] ?? `machine ${machine}`;
}

async function readSections(file: FileHandle, header: Buffer): Promise<Section[]> {
  const entryBytes = header.readUInt16LE(58);
  const count = header.readUInt16LE(60);
  const table = await bytes(file, Number(header.readBigUInt64LE(40)), entryBytes * count);
  return Array.from({ length: count }, (_, index) => {
    const at = index * entryBytes;
    return {
      type: table.readUInt32LE(at + 4),
      offset: Number(table.readBigUInt64LE(at + 24)),
      size: Number(table.readBigUInt64LE(at + 32)),
      link: table.readUInt32LE(at + 40),
    };
  });
}

async function readSearchPaths(file: FileHandle, sections: readonly Section[]): Promise<string[]> {
  const dynamic = sections.find(({ type }) => type === SECTION.dynamic);
  if (dynamic === undefined) {
    return [];
  }
  const entries = await bytes(file, dynamic.offset, dynamic.size);
  const strings = await content(file, sections[dynamic.link]);
  const paths = new Set<string>();
  for (let at = 0; at + 16 <= entries.length; at += 16) {
    const tag = Number(entries.readBigUInt64LE(at));
    if (tag === TAG.rpath || tag === TAG.runpath) {
      for (const path of text(strings, Number(entries.readBigUInt64LE(at + 8))).split(':')) {
        paths.add(path);
      }
    }
  }
  return [...paths];
}

async function readDefined(
  file: FileHandle,
  sections: readonly Section[],
  prefixes: readonly string[],
): Promise<Set<string>> {
  const table = sections.find(({ type }) => type === SECTION.symbols);
  if (table === undefined) {
    return new Set();
  }
  const symbols = await content(file, table);
  const strings = await content(file, sections[table.link]);
  const defined = new Set<string>();
  for (let at = 0; at + SYMBOL_BYTES <= symbols.length; at += SYMBOL_BYTES) {
    const name = symbols.readUInt32LE(at);
    const isDefined = symbols.readUInt16LE(at + 6) !== 0;
    const starts = (prefix: string) => strings.toString('latin1', name, name + prefix.length) === prefix;
    if (isDefined && prefixes.some(starts)) {
      defined.add(text(strings, name));
    }
  }
  return defined;
}

function content(file: FileHandle, { offset, size }: Section): Promise<Buffer> {
  return bytes(file, offset, size);
}

async function bytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
  // A header cut short reads as zeros, and is then no library.
  return bytesRead === length ? buffer : Buffer.concat([buffer.subarray(0, bytesRead)], length);
}

function text(strings: Buffer, at: number): string {
  return strings.toString('latin1', at, strings.indexOf(0, at));
}
