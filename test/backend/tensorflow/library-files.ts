import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';

/** All that is asked for of the C API. */
export const C_API = [
  'TF_Version',
  'TF_NewStatus',
  'TF_NewTensor',
  'TF_LoadSessionFromSavedModel',
  'TFE_NewContext',
  'TFE_NewTensorHandle',
  'TFE_Execute',
];

/**
 * Compiles a shared library that defines some functions.
 *
 * @param called functions that it leaves to other libraries
 */
export function writeLibrary(
  path: string,
  functions: readonly string[],
  searchPath = '$ORIGIN',
  called: readonly string[] = [],
): void {
  const lines = [
    ...functions.map((name) => `int ${name}(void) { return 1; }`),
    ...called.map((name) => `int ${name}(void); int calls_${name}(void) { return ${name}(); }`),
  ];
  mkdirSync(dirname(path), { recursive: true });
  execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', path, `-Wl,-rpath,${searchPath}`], {
    input: lines.join('\n'),
  });
}

/** Writes a text file, and the folders that it is in. */
export function writeText(path: string, text = ''): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** An unpacked official libtensorflow as far as anything looks at it before compiling: lib/ and include/. */
export function writeOfficial(
  folder: string,
  functions: readonly string[] = C_API,
  searchPath?: string,
): void {
  writeLibrary(join(folder, 'lib', 'libtensorflow.so.2'), functions, searchPath);
  writeLibrary(join(folder, 'lib', 'libtensorflow_framework.so.2'), ['framework']);
  writeText(join(folder, 'include', 'tensorflow', 'c', 'eager', 'c_api.h'));
}

/** The first bytes of a 64-bit library for Linux. */
export function libraryHeader(arch: string): Buffer {
  const header = Buffer.alloc(64);
  header.write('\x7fELF\x02\x01', 'latin1');
  header.writeUInt16LE(arch === 'arm64' ? 183 : 62, 18);
  return header;
}

/** A zip file whose entries are stored as they are. */
export function writeZip(path: string, entries: Readonly<Record<string, string | Buffer>>): void {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), bytes]);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, central, Buffer.from(name));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(Object.keys(entries).length, 8);
  end.writeUInt16LE(Object.keys(entries).length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  writeFileSync(path, Buffer.concat([...parts, central, end]));
}
