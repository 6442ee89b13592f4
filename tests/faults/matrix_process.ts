// stub
import type { Entry } from "./matrix.ts";
export const PROCESS_ENTRIES: readonly Entry[] = [];
