// stub
import type { Entry } from "./matrix.ts";
export const POSTGRES_ENTRIES: readonly Entry[] = [];
