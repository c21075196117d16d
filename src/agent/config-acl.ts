/**
 * The `[acl]` section as rules for the guard, checked whole: every rule by itself, and what rules mean
 * together. All problems are reported, each at its line; a policy with a problem never takes effect.
 */

import { nearest } from "../base/nearest.ts";
import { UNVERIFIED_ROLE } from "../base/principal.ts";
import { patternFault } from "../guard/acl-pattern.ts";
import {
  type AclRules,
  formatPeerRule,
  type PeerRule,
  placementKey,
  type RoleRule,
  spiffeOwner,
} from "../guard/acl-rules.ts";
import { spiffeIdFault } from "../identity/x509/spiffe-id.ts";
import type { ConfigProblem } from "./config-problem.ts";
import { type Reading, valuesOf } from "./config-reader.ts";
import { LISTS, type ListItem, type ListName } from "./config-table.ts";

/** The rules with the bundles of their trust domains. */
export interface AclConfig extends AclRules {
  readonly bundles: readonly { readonly name: string; readonly caPath: string }[];
}

/** `undefined` without an `[acl]` section. Problems go into `problems`. */
export function readAcl(reading: Reading, problems: ConfigProblem[]): AclConfig | undefined {
  const own = reading.settings.get("acl.own_trust_domain");
  const present = reading.tables.has("acl") || (own !== undefined && own.source !== "default");
  return present ? new AclReader(reading, problems).read() : undefined;
}

/** What a list item is while required keys may still be missing. */
type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

const MATCHES = ["cn", "spiffe", "dns", "sha256"] as const;
/** Comparing a mistyped name with every role takes long when there are thousands of both. */
const MAX_SUGGESTED_FROM = 200;
const MATCH_WORDS = "one of cn, spiffe, dns and sha256";

class AclReader {
  readonly #reading: Reading;
  readonly #problems: ConfigProblem[];
  /** Keys that already have a problem: a second complaint about them would only confuse. */
  readonly #faulty: ReadonlySet<string>;
  readonly #roleNames = new Set<string>();

  constructor(reading: Reading, problems: ConfigProblem[]) {
    this.#reading = reading;
    this.#problems = problems;
    this.#faulty = new Set(problems.map(({ key }) => key));
  }

  read(): AclConfig {
    const own = this.#reading.settings.get("acl.own_trust_domain")?.value;
    const ownTrustDomain = typeof own === "string" ? own : undefined;
    const bundles = this.#bundles(ownTrustDomain);
    const trustDomains = bundles.map(({ name }) => name);
    const roles = this.#items("acl.role").map((item, at) => this.#role(item, at));
    this.#duplicates(
      "acl.role",
      roles.map(({ name }) => name),
      "name",
      (name) => name,
    );
    for (const { name } of roles) this.#roleNames.add(name);
    const frame: AclRules = { ownTrustDomain, trustDomains, roles, peers: [] };
    const peers = this.#items("acl.peer").map((item, at) => this.#peer(frame, item, at));
    this.#duplicates(
      "acl.peer",
      peers.map((peer) => peerKey(frame, peer)),
      undefined,
      (_, at) => formatPeerRule(peers[at] as PeerRule),
    );
    return { ...frame, peers, bundles };
  }

  #bundles(ownTrustDomain: string | undefined): AclConfig["bundles"] {
    const items = this.#items("acl.trust_domain");
    const names = items.map(({ name }) => name ?? "");
    this.#duplicates("acl.trust_domain", names, "name", (name) => name);
    for (const [at, name] of names.entries()) {
      if (name === "" || name !== ownTrustDomain) continue;
      this.#problem(
        `acl.trust_domain[${at}].name`,
        "is also acl.own_trust_domain, whose bundle is tls.ca: one domain has one bundle",
      );
    }
    return items.map(({ name = "", ca = "" }) => ({ name, caPath: ca }));
  }

  #role({ name = "", allow = [], kinds }: Loose<ListItem<"acl.role">>, at: number): RoleRule {
    const key = `acl.role[${at}]`;
    const good: string[] = [];
    for (const pattern of allow) {
      const fault = patternFault(pattern);
      if (fault === undefined) good.push(pattern);
      else this.#problem(`${key}.allow`, `has ${quoted(pattern)}, which ${fault}`);
    }
    if (name === UNVERIFIED_ROLE && kinds?.some((kind) => kind !== "read") === true) {
      this.#problem(
        `${key}.kinds`,
        'must be ["read"]: a peer that passed no verification can\'t be given more',
      );
    }
    return { name, allow: good, kinds };
  }

  #peer(frame: AclRules, item: Loose<ListItem<"acl.peer">>, at: number): PeerRule {
    const key = `acl.peer[${at}]`;
    const given = MATCHES.filter((match) => item[match] !== undefined);
    const tried = MATCHES.some((match) => this.#faulty.has(`${key}.${match}`));
    if (given.length > 1) {
      this.#problem(
        key,
        `has ${given.join(" and ")}: a rule needs exactly ${MATCH_WORDS}; write one rule for each`,
      );
    } else if (given.length === 0 && !tried) {
      this.#problem(key, `names no peer: it needs exactly ${MATCH_WORDS}`);
    }
    for (const role of item.roles ?? []) this.#checkRole(role, `${key}.roles`);
    const sha256 = item.sha256?.replaceAll(":", "").toLowerCase();
    if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
      this.#problem(`${key}.sha256`, "must be 64 hexadecimal digits, with or without colons");
    }
    const dns = item.dns?.toLowerCase();
    if (dns !== undefined && !/^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(dns)) {
      this.#problem(`${key}.dns`, "must be a DNS name; it has no wildcards");
    }
    if (item.spiffe !== undefined) this.#checkSpiffe(frame, item.spiffe, `${key}.spiffe`);
    this.#checkDomain(frame, item, key);
    const { cn, spiffe, trustDomain, roles = [] } = item;
    return { cn, spiffe, dns, sha256, trustDomain, roles };
  }

  #checkRole(role: string, key: string): void {
    if (role === UNVERIFIED_ROLE) {
      this.#problem(key, `has "${role}", which is for peers that no rule can name`);
      return;
    }
    if (this.#roleNames.has(role)) return;
    const few = this.#roleNames.size <= MAX_SUGGESTED_FROM;
    const meant = few ? nearest(role, this.#roleNames) : undefined;
    const advice = meant === undefined ? "add it under [[acl.role]]" : `did you mean ${meant}?`;
    this.#problem(key, `has "${role}", and there is no such role: ${advice}`);
  }

  #checkSpiffe(frame: AclRules, id: string, key: string): void {
    const plain = id.endsWith("/*") ? id.slice(0, -2) : id;
    if (plain.includes("*")) {
      this.#problem(key, "may have * only as its last segment: spiffe://example.org/ns/*");
      return;
    }
    const fault = spiffeIdFault(plain);
    if (fault !== undefined) {
      this.#problem(key, `must be a SPIFFE ID, spiffe://domain/path: ${fault}`);
    } else if (spiffeOwner(frame, plain) === undefined) {
      this.#problem(
        key,
        "is of a trust domain without a bundle: add it under [[acl.trust_domain]], or correct acl.own_trust_domain",
      );
    }
  }

  #checkDomain(frame: AclRules, item: Loose<ListItem<"acl.peer">>, key: string): void {
    const { trustDomain } = item;
    if (trustDomain === undefined) return;
    if (item.spiffe !== undefined || item.sha256 !== undefined) {
      this.#problem(
        `${key}.trust_domain`,
        "has no meaning here: it goes with cn and dns; a SPIFFE ID names its own domain",
      );
    } else if (placementKey(frame, trustDomain) === undefined) {
      const { trustDomains, ownTrustDomain: own } = frame;
      const known = own === undefined ? trustDomains : [...trustDomains, own];
      const meant = nearest(trustDomain, known);
      const advice = meant === undefined ? "" : `; did you mean ${meant}?`;
      this.#problem(
        `${key}.trust_domain`,
        `is no domain of [[acl.trust_domain]] or acl.own_trust_domain${advice}`,
      );
    }
  }

  #duplicates(
    list: ListName,
    names: readonly (string | undefined)[],
    key: string | undefined,
    show: (name: string, at: number) => string,
  ): void {
    const first = new Map<string, number>();
    for (const [at, name] of names.entries()) {
      if (name === undefined || name === "") continue;
      const before = first.get(name);
      if (before === undefined) first.set(name, at);
      else {
        const where = this.#reading.settings.get(`${list}[${before}].${key ?? "roles"}`)?.line;
        const line = where === undefined ? "" : ` (line ${where})`;
        this.#problem(
          key === undefined ? `${list}[${at}]` : `${list}[${at}].${key}`,
          `repeats ${show(name, at)} of ${list}[${before}]${line}: keep one, with everything in it`,
        );
      }
    }
  }

  #items<L extends ListName>(name: L): Loose<ListItem<L>>[] {
    return Array.from(
      { length: this.#reading.lengths.get(name) ?? 0 },
      (_, at) =>
        valuesOf(this.#reading, `${name}[${at}]`, LISTS[name]) as unknown as Loose<ListItem<L>>,
    );
  }

  #problem(key: string, message: string): void {
    const lineOf = (each: string): number | undefined => this.#reading.settings.get(each)?.line;
    // an item has no line of its own: take the first of its keys that stands in the file
    const line =
      lineOf(key) ??
      [...MATCHES, "roles"]
        .flatMap((name) => lineOf(`${key}.${name}`) ?? [])
        .sort((a, b) => a - b)[0];
    this.#problems.push({ key, message, ...(line === undefined ? {} : { line }) });
  }
}

/** Equal for two rules that mean the same peers. */
function peerKey(frame: AclRules, peer: PeerRule): string | undefined {
  const { cn, dns, spiffe, sha256, trustDomain } = peer;
  if (cn === undefined && dns === undefined && spiffe === undefined && sha256 === undefined) {
    return undefined;
  }
  const domain = trustDomain === undefined ? "" : (placementKey(frame, trustDomain) ?? trustDomain);
  return JSON.stringify([cn, dns, spiffe, sha256, domain]);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
