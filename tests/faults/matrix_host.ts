// stub
import type { Entry } from "./entry.ts";
export const HOST_ENTRIES: readonly Entry[] = [];
