/**
 * The part of the control socket that concerns the device's identity.
 *
 * | request | answer |
 * |---|---|
 * | `GET /v1/certificate` | what is in force, as `certificate-operations.ts` has it |
 * | `GET /v1/certificate/history`, `/v1/trust`, `/v1/keys` | `{generations}`, the bundle, `{keys}` |
 * | `POST /v1/certificate/install`, `/v1/certificate/export` | what came of it |
 * | `POST /v1/certificate/enroll` | `{token?, again?, algorithm?}` -> the new certificate |
 * | `POST /v1/trust` | `{pem, overlapMs}` -> the bundle |
 * | `POST /v1/keys` | `{name, algorithm}` -> the key |
 */
import { AgentError } from "../base/errors.ts";
import type { CreatableAlgorithm } from "../identity/keys/key-provider.ts";
import type {
  CertificateOperations,
  EnrolRequest,
  EnrolView,
  ExportRequest,
  ExportView,
  GenerationView,
  ImportRequest,
  InstallView,
  OwnCertificateView,
  PendingKeyView,
  TrustView,
} from "./certificate-operations.ts";

type Members = Readonly<Record<string, unknown>>;
export type CertificateRoute = (members: Members) => Promise<unknown>;

/** By method and path. */
export function certificateRoutes(
  operations: CertificateOperations,
): ReadonlyMap<string, CertificateRoute> {
  return new Map<string, CertificateRoute>([
    ["GET /v1/certificate", () => operations.show()],
    ["GET /v1/certificate/history", async () => ({ generations: await operations.history() })],
    ["GET /v1/trust", () => operations.trust()],
    ["GET /v1/keys", async () => ({ keys: await operations.keys() })],
    ["POST /v1/certificate/install", (members) => operations.install(parseImport(members))],
    ["POST /v1/certificate/enroll", (members) => operations.enroll(parseEnrol(members))],
    ["POST /v1/certificate/export", (members) => operations.export(parseExport(members))],
    [
      "POST /v1/trust",
      (members) => operations.replaceTrust(text(members, "pem"), span(members, "overlapMs")),
    ],
    ["POST /v1/keys", (members) => operations.createKey(text(members, "name"), algorithm(members))],
  ]);
}

/** Puts a question to the agent and gives its answer. */
export type Ask = (method: "GET" | "POST", path: string, body?: Members) => Promise<Members>;

/** {@link CertificateOperations} of an agent in another process. */
export class CertificateClient implements CertificateOperations {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  async show(): Promise<OwnCertificateView> {
    return (await this.#ask("GET", "/v1/certificate")) as unknown as OwnCertificateView;
  }

  async install(request: ImportRequest): Promise<InstallView> {
    const answer = await this.#ask("POST", "/v1/certificate/install", { ...request });
    return answer as unknown as InstallView;
  }

  async enroll(request: EnrolRequest, onStep?: (words: string) => void): Promise<EnrolView> {
    onStep?.("the running agent makes a key, asks the authority, and puts the answer in force");
    const answer = await this.#ask("POST", "/v1/certificate/enroll", { ...request });
    return answer as unknown as EnrolView;
  }

  async export(request: ExportRequest): Promise<ExportView> {
    const answer = await this.#ask("POST", "/v1/certificate/export", { ...request });
    return answer as unknown as ExportView;
  }

  async history(): Promise<readonly GenerationView[]> {
    const { generations } = await this.#ask("GET", "/v1/certificate/history");
    return generations as readonly GenerationView[];
  }

  async trust(): Promise<TrustView> {
    return (await this.#ask("GET", "/v1/trust")) as unknown as TrustView;
  }

  async replaceTrust(pem: string, overlapMs: number): Promise<TrustView> {
    return (await this.#ask("POST", "/v1/trust", { pem, overlapMs })) as unknown as TrustView;
  }

  async keys(): Promise<readonly PendingKeyView[]> {
    return (await this.#ask("GET", "/v1/keys"))["keys"] as readonly PendingKeyView[];
  }

  async createKey(name: string, algorithm: CreatableAlgorithm): Promise<PendingKeyView> {
    const answer = await this.#ask("POST", "/v1/keys", { name, algorithm });
    return answer as unknown as PendingKeyView;
  }
}

/** @throws AgentError `ERR_CONTROL_REQUEST`. */
export function parseImport(members: Members): ImportRequest {
  return {
    certificatesPem: text(members, "certificatesPem"),
    keyPem: optionalText(members, "keyPem"),
    trustPem: optionalText(members, "trustPem"),
    dryRun: flag(members, "dryRun"),
    force: flag(members, "force"),
  };
}

function parseEnrol(members: Members): EnrolRequest {
  return {
    token: optionalText(members, "token"),
    again: flag(members, "again"),
    algorithm: members["algorithm"] === undefined ? undefined : algorithm(members),
  };
}

export const CREATABLE: readonly CreatableAlgorithm[] = ["ecdsa-p256", "ecdsa-p384", "ed25519"];
const FORMATS = ["pem", "pkcs12", "certificates"] as const;

function parseExport(members: Members): ExportRequest {
  const format = FORMATS.find((each) => each === members["format"]);
  if (format === undefined) throw bad("format", `must be one of ${FORMATS.join(", ")}`);
  return { format, passphrase: optionalText(members, "passphrase") };
}

function algorithm(members: Members): CreatableAlgorithm {
  const known = CREATABLE.find((each) => each === members["algorithm"]);
  if (known === undefined) throw bad("algorithm", `must be one of ${CREATABLE.join(", ")}`);
  return known;
}

function text(members: Members, name: string): string {
  const value = members[name];
  if (typeof value !== "string" || value === "") throw bad(name, "must be text");
  return value;
}

function optionalText(members: Members, name: string): string | undefined {
  return members[name] === undefined ? undefined : text(members, name);
}

/** Absent means no. */
function flag(members: Members, name: string): boolean {
  const value = members[name] ?? false;
  if (typeof value !== "boolean") throw bad(name, "must be true or false");
  return value;
}

function span(members: Members, name: string): number {
  const value = members[name] ?? 0;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw bad(name, "must be a whole number of milliseconds");
}

function bad(name: string, what: string): AgentError {
  return new AgentError("ERR_CONTROL_REQUEST", `${name} ${what}`);
}
