/**
 * Checks of `doctor` on who may call what.
 */
import { findIdlePatterns } from "../../guard/acl-coverage.ts";
import { type Check, fail, ok, skipped, warn } from "./check.ts";
import { type Facts, isMissing } from "./facts.ts";

export const ACCESS_CHECKS: readonly Check[] = [
  {
    id: "acl.bundles",
    title: "the bundles of further trust domains can be used",
    needs: ["config.valid"],
    judge({ domainFaults }: Facts) {
      if (isMissing(domainFaults)) return skipped(domainFaults.missing);
      const [first, ...more] = domainFaults;
      if (first === undefined) return ok("nothing wrong");
      const rest = more.length === 0 ? "" : ` (and ${more.length} more)`;
      return fail(
        `${first}${rest}`,
        "put roots and intermediate authorities into the file, as PEM",
      );
    },
  },
  {
    id: "acl.patterns",
    title: "every pattern of [acl] gives something",
    needs: ["config.valid"],
    judge({ config, served }: Facts) {
      if (isMissing(config)) return skipped("no configuration");
      const { acl } = config.config;
      if (acl === undefined) return ok("no [acl]: verified peers read, nobody does more");
      if (isMissing(served)) return skipped(served.missing);
      const [first, ...more] = findIdlePatterns(acl, served);
      if (first === undefined)
        return ok(`${acl.roles.length} roles, ${acl.peers.length} peer rules`);
      const rest = more.length === 0 ? "" : ` (and ${more.length} more)`;
      return warn(
        `role ${first.role}: ${first.pattern} ${first.words}${rest}`,
        "see `microedge acl list`; correct the pattern or remove it",
      );
    },
  },
];
