import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file that may be served. */
export interface StaticFile {
  readonly file: string;
  readonly type: string;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** The chart library that the page uses, by the address under which it asks for it. */
const VENDOR = {
  '/vendor/uPlot.js': 'uplot/dist/uPlot.esm.js',
  '/vendor/uPlot.css': 'uplot/dist/uPlot.min.css',
};

/**
 * Every file that the server gives out, by request path: the plain files lying in `folder` (`/` is its
 * index.html) and the vendored library. Requests are looked up here and never turned into file names, so
 * there is nothing to traverse. Empty where the folder is absent.
 */
export async function listStaticFiles(folder: URL): Promise<ReadonlyMap<string, StaticFile>> {
  const files = new Map<string, StaticFile>();
  for (const name of await namesIn(folder)) {
    add(files, `/${name}`, fileURLToPath(new URL(encodeURIComponent(name), folder)));
  }
  const index = files.get('/index.html');
  if (index) {
    files.set('/', index);
  }
  const require = createRequire(import.meta.url);
  for (const [path, module] of Object.entries(VENDOR)) {
    add(files, path, require.resolve(module));
  }
  return files;
}

function add(files: Map<string, StaticFile>, path: string, file: string): void {
  const type = TYPES[extname(file)];
  if (type !== undefined) {
    files.set(path, { file, type });
  }
}

async function namesIn(folder: URL): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return [];
    }
    throw error;
  }
}
