export { type Basis, columnsOf, spectrumCosine, squaredOverlap } from './compare-parts.js';
export { type LowRankMatrix, lowRankParts } from './low-rank-parts.js';
export type { DenseMatrix, PartsOptions, SpectralParts } from './parts.js';
export { bottomDecider, isAboveRounding, numericalRank, type Sides } from './rank.js';
export { SPECTRUM_LENGTH, spectralParts } from './spectral-parts.js';
export { SpectralPool } from './spectral-pool.js';
