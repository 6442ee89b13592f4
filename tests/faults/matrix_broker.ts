// stub
import type { Entry } from "./entry.ts";
export const BROKER_ENTRIES: readonly Entry[] = [];
