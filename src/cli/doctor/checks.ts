/**
 * Every check of `doctor`, in the order in which they are made: a check comes after those it needs.
 */
import { ACCESS_CHECKS } from "./access-checks.ts";
import { AGENT_CHECKS } from "./agent-checks.ts";
import { CERTIFICATE_CHECKS } from "./certificate-checks.ts";
import type { Check } from "./check.ts";
import { CONFIGURATION_CHECKS } from "./configuration-checks.ts";
import { MEMORY_CHECKS } from "./memory-checks.ts";
import { RENEWAL_CHECKS } from "./renewal-checks.ts";
import { STORE_CHECKS } from "./store-checks.ts";
import { TIME_CHECKS } from "./time-checks.ts";

export const CHECKS: readonly Check[] = [
  ...CONFIGURATION_CHECKS,
  ...STORE_CHECKS,
  ...CERTIFICATE_CHECKS,
  ...ACCESS_CHECKS,
  ...AGENT_CHECKS,
  ...TIME_CHECKS,
  ...RENEWAL_CHECKS,
  ...MEMORY_CHECKS,
];
