import { createWriteStream } from 'node:fs';
import { mkdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import yauzl from 'yauzl';
import { MergeguardError, messageOf } from '../../tensors/errors.js';
import { HEADER_BYTES, readArch } from './elf.js';
import { checkVersion, versionInMetadata } from './version.js';

/** Of a wheel: the libraries, the headers of the C API with what these include, what it requires. */
const WANTED =
  /^tensorflow\/(libtensorflow[^/]*|include\/(tensorflow\/c|tensorflow\/core\/platform|tsl|xla\/tsl)\/.*\.h|include\/third_party\/gpus\/cuda\/cuda_config\.h)$|^[^/]*\.dist-info\/METADATA$/;
const METADATA = /\.dist-info\/METADATA$/;
const LIBRARY = /^tensorflow\/libtensorflow[^/]*\.so[.0-9]*$/;

/**
 * Reads the beginnings of its libraries, and its version: nothing is unpacked.
 *
 * @throws MergeguardError where the file is no wheel of TensorFlow for Linux, or one for another machine or of another version
 */
export async function checkWheel(path: string): Promise<void> {
  await readWheel(path, async (zip, entries) => {
    const problems: string[] = [];
    for (const entry of entries.filter(({ fileName }) => LIBRARY.test(fileName))) {
      const name = `${entry.fileName} of ${path}`;
      try {
        const arch = readArch(name, await beginning(zip, entry, HEADER_BYTES));
        if (arch !== process.arch) {
          problems.push(
            `${name} is for ${arch}, this machine's Node.js is ${process.arch}: take the wheel for ${process.arch}`,
          );
        }
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    for (const entry of entries.filter(({ fileName }) => METADATA.test(fileName))) {
      const metadata = await beginning(zip, entry, entry.uncompressedSize);
      const version = versionInMetadata(metadata.toString());
      try {
        // else the library is asked when it is tried out
        if (version !== null) {
          checkVersion(version, path);
        }
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    if (problems.length > 0) {
      throw new MergeguardError(problems.join('\n'));
    }
  });
}

/** The first bytes of an entry; zeros where it is shorter. */
async function beginning(zip: yauzl.ZipFile, entry: yauzl.Entry, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let read = 0;
  // leaving the loop ends the stream: a library has a gigabyte
  for await (const chunk of await zip.openReadStreamPromise(entry)) {
    chunks.push(chunk as Buffer);
    read += (chunk as Buffer).length;
    if (read >= length) {
      break;
    }
  }
  return Buffer.concat(chunks, length);
}

/**
 * Unpacks what the binding needs of a tensorflow wheel. A wheel is a zip file; entries of a gigabyte are streamed.
 *
 * @param into a folder; gets `tensorflow/` and the wheel's `.dist-info/METADATA`
 * @throws MergeguardError where it is no wheel of TensorFlow for Linux, or there is no room for it
 */
export async function unpackWheel(path: string, into: string, signal?: AbortSignal): Promise<void> {
  await readWheel(path, async (zip, entries) => {
    await checkRoom(path, into, entries);
    for (const entry of entries) {
      // yauzl refuses names that lead out of the folder
      const target = join(into, entry.fileName);
      await mkdir(dirname(target), { recursive: true });
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target), { signal });
    }
  });
}

/** Gives the wanted entries, of which at least one is a library. */
async function readWheel(
  path: string,
  use: (zip: yauzl.ZipFile, entries: readonly yauzl.Entry[]) => Promise<void>,
): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile()) {
    throw new MergeguardError(`${path} is ${found === null ? 'not there' : 'no file'}; give a .whl file`);
  }
  let zip: yauzl.ZipFile;
  const entries: yauzl.Entry[] = [];
  try {
    zip = await yauzl.openPromise(path, { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      if (WANTED.test(entry.fileName)) {
        entries.push(entry);
      }
    }
  } catch (error) {
    throw new MergeguardError(`${path} can not be read as a wheel: ${messageOf(error)} Download it again`);
  }
  try {
    if (!entries.some(({ fileName }) => LIBRARY.test(fileName))) {
      throw new MergeguardError(
        `${path} holds no tensorflow/libtensorflow*.so: take a wheel of tensorflow or tensorflow-cpu, 2.15 or later, for Linux ` +
          '(`pip download --no-deps tensorflow-cpu`)',
      );
    }
    await use(zip, entries);
  } finally {
    zip.close();
  }
}

async function checkRoom(path: string, into: string, entries: readonly yauzl.Entry[]): Promise<void> {
  const needed = entries.reduce((sum, { uncompressedSize }) => sum + uncompressedSize, 0);
  const { bavail, bsize } = await statfs(into);
  if (needed > bavail * bsize) {
    throw new MergeguardError(
      `${into} has room for ${gigabytes(bavail * bsize)}, the libraries of ${path} take ${gigabytes(needed)}: ` +
        'make room, or unpack the wheel elsewhere and give its folder `tensorflow` with --libtensorflow',
    );
  }
}

function gigabytes(count: number): string {
  return `${(count / 1e9).toFixed(2)} GB`;
}
