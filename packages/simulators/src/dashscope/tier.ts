export type Tier = '480P' | '720P' | '1080P';
