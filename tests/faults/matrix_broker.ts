// stub
import type { Entry } from "./matrix.ts";
export const BROKER_ENTRIES: readonly Entry[] = [];
