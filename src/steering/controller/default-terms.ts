/** Names of the terms that a controller moves unless told otherwise: the shipped default of steering. */
export const DEFAULT_TERMS: readonly string[] = ['sharpness'];
