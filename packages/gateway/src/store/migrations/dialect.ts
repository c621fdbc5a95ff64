/** The databases that a store can be made of. */
export type Dialect = 'sqlite' | 'postgres';
