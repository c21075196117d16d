/**
 * The keys of `[issuer]`: who issues this device's certificates. `docs/rotation.md` tells the operator
 * what they mean together.
 */
import { choice, flag, path, text } from "./config-kinds.ts";
import type { ConfigProblem } from "./config-problem.ts";
import type { Setting } from "./config-reader.ts";
import { optional, row } from "./config-row.ts";
import { isGiven, problemAt } from "./config-setting.ts";

const httpsUrl = text({
  allowed: "an https:// URL without user, query or fragment",
  pattern:
    /^https:\/\/(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~/-]{0,200})?$/,
});

export const ISSUER_ROWS = {
  kind: optional(
    choice(["step-ca", "est", "file"]),
    "Who issues this device's certificates: a step-ca, a server of RFC 7030 (EST), or somebody who is brought the request as a file. Needs store.dir.",
    { defaultDoc: "none: certificates are imported" },
  ),
  url: optional(httpsUrl, 'Address of the authority: "https://ca.example:9000".'),
  root_sha256: optional(
    text({
      allowed: "a SHA-256 fingerprint: 64 hexadecimal digits, in lower case",
      pattern: /^[0-9a-f]{64}$/,
    }),
    "SHA-256 of the authority's root certificate (DER). Only a server that chains to it is believed; nothing is trusted on first use.",
  ),
  roots: optional(
    path(),
    "The authority's roots as a file, PEM, instead of root_sha256; for servers that don't send their root.",
  ),
  announced_roots: row(
    flag(),
    true,
    "Also believe roots that the authority announces over a connection that a believed root vouches for, as before it changes its root. Off: only root_sha256 and roots count.",
  ),
  est_label: optional(
    text({
      allowed: "1 to 64 letters, digits, dots, hyphens or underscores",
      pattern: /^[A-Za-z0-9._-]{1,64}$/,
    }),
    "Label of an EST server that has several authorities (RFC 7030, section 3.2.2).",
  ),
  username: optional(
    text({
      allowed: "1 to 255 characters without colon or control characters",
      pattern: /^[^\p{Cc}:]{1,255}$/u,
    }),
    "User name for an EST enrolment.",
  ),
  password_file: optional(path(), "File whose first line is the password for username."),
  birth_cert: optional(
    path(),
    "Certificate from the factory for an EST enrolment, PEM, leaf first; instead of username. Also used when the certificate in force has expired.",
  ),
  birth_key: optional(path(), "Its private key, PEM, readable by the agent only."),
  common_name: optional(
    text({
      allowed: "1 to 64 characters without control characters",
      pattern: /^[^\p{Cc}]{1,64}$/u,
    }),
    "Common name to ask for with est and file; step-ca takes the names from the token.",
    { defaultDoc: "that of the certificate in force" },
  ),
  dns_names: optional(
    text({
      allowed: "DNS names with commas between them",
      pattern: /^[A-Za-z0-9._*-]{1,253}(?:,[A-Za-z0-9._*-]{1,253}){0,31}$/,
    }),
    "DNS names to ask for with est and file, with commas between them.",
  ),
  spiffe_id: optional(
    text({
      allowed: "a SPIFFE ID",
      pattern: /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)+$/,
    }),
    "SPIFFE ID to ask for with est and file.",
  ),
  csr_dir: optional(
    path(),
    'Directory for requests and answers with kind "file", as a USB stick\'s.',
  ),
};

/** What the keys of `[issuer]` need of one another and of `store.dir`. */
export function issuerProblems(
  setting: (key: string) => Setting | undefined,
): readonly ConfigProblem[] {
  const given = (key: string): boolean => isGiven(setting(key));
  const problem = (key: string, message: string): ConfigProblem =>
    problemAt(key, setting(key), message);
  const kind = setting("issuer.kind")?.value;
  if (kind === undefined) {
    const lonely = Object.keys(ISSUER_ROWS).find((name) => given(`issuer.${name}`));
    if (lonely === undefined) return [];
    return [problem("issuer.kind", `is missing: issuer.${lonely} needs it`)];
  }
  const problems: ConfigProblem[] = [];
  if (!given("store.dir")) {
    problems.push(
      problem(
        "issuer.kind",
        "needs store.dir: a certificate from an authority goes into the store",
      ),
    );
  }
  if (kind === "file") {
    if (!given("issuer.csr_dir"))
      problems.push(problem("issuer.csr_dir", 'is missing: issuer.kind = "file" needs it'));
    if (!given("issuer.roots")) {
      problems.push(
        problem(
          "issuer.roots",
          'is missing: issuer.kind = "file" needs to know whose certificates to take',
        ),
      );
    }
    return problems;
  }
  if (!given("issuer.url"))
    problems.push(problem("issuer.url", `is missing: issuer.kind = "${kind}" needs it`));
  if (!given("issuer.root_sha256") && !given("issuer.roots")) {
    problems.push(
      problem(
        "issuer.root_sha256",
        "is missing: nothing is trusted on first use; or set issuer.roots",
      ),
    );
  }
  if (given("issuer.birth_cert") !== given("issuer.birth_key")) {
    const missing = given("issuer.birth_cert") ? "issuer.birth_key" : "issuer.birth_cert";
    problems.push(problem(missing, "is missing: birth_cert and birth_key go together"));
  }
  if (given("issuer.username") !== given("issuer.password_file")) {
    const missing = given("issuer.username") ? "issuer.password_file" : "issuer.username";
    problems.push(problem(missing, "is missing: user name and password_file go together"));
  }
  return problems;
}
