/** Names of the terms that a controller moves unless told otherwise: what helped most at no cost that could be measured. */
export const DEFAULT_TERMS: readonly string[] = ['merge_simulation'];
