// stub
import type { Entry } from "./matrix.ts";
export const HOST_ENTRIES: readonly Entry[] = [];
