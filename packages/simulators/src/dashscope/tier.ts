/** 540P is Vidu's alone, which has no 480P. */
export type Tier = '480P' | '540P' | '720P' | '1080P';
