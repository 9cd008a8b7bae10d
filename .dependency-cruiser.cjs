/**
 * Imports run downwards through the layers, never back:
 * cli -> calibrate -> server, zoo, at-rest -> hooks/tfjs -> guard -> steering, merging, fingerprint -> metrics -> reference -> backend, spectral -> threads
 * -> tensors
 */
const LAYERS = [
  ['^src/cli/'],
  ['^src/calibrate/'],
  ['^src/server/', '^src/zoo/', '^src/at-rest/'],
  ['^hooks/tfjs/'],
  ['^src/guard/'],
  ['^src/steering/', '^src/merging/', '^src/fingerprint/'],
  ['^src/metrics/'],
  ['^src/reference/'],
  ['^src/backend/', '^src/spectral/'],
  ['^src/threads/'],
  ['^src/tensors/'],
];

/** Nothing in a layer imports a layer above it, nor a neighbour in its own. */
const rules = [];
for (const [height, layer] of LAYERS.entries()) {
  for (const path of layer) {
    const forbidden = [...LAYERS.slice(0, height).flat(), ...layer.filter((other) => other !== path)];
    if (forbidden.length > 0) {
      const name = `${path.replace('^', '')} imports downwards only`;
      rules.push({ name, severity: 'error', from: { path }, to: { path: forbidden } });
    }
  }
}

module.exports = {
  forbidden: [
    ...rules,
    { name: 'nothing imports the public face', severity: 'error', from: {}, to: { path: '^src/index\\.ts' } },
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'nothing unresolved',
      severity: 'error',
      from: {},
      // Optional backends are not installed everywhere.
      to: { couldNotResolve: true, pathNot: ['^@tensorflow/tfjs-node', '^/vendor/'] },
    },
    {
      name: 'the page stands alone',
      severity: 'error',
      from: { path: '^src/dashboard/' },
      to: { pathNot: ['^src/dashboard/', 'vendor'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
