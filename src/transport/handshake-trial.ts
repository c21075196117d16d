/**
 * A TLS 1.3 handshake of candidate material with itself: both ends in this process, joined by a pair
 * of streams, no socket. Each end shows the candidate's chain and judges the other's by the candidate's
 * trust bundle, so it proves that key and certificate belong together, wherever the key lives, and that
 * OpenSSL, which peers will use, builds the chain in both roles.
 */
import { type Duplex, duplexPair } from "node:stream";
import {
  connect,
  createSecureContext,
  createServer,
  type SecureContextOptions,
  type TLSSocket,
} from "node:tls";
import type { Clock } from "../host/clock.ts";
import type {
  HandshakeTrial,
  TrialMaterial,
  TrialOutcome,
  TrialVerdict,
} from "../identity/validator/candidate-report.ts";
import { stopCertificateLeak } from "./peer-certificate-leak.ts";
import { policyOptions } from "./tls-policy.ts";

/** A hardware key signs in a second or two; a handshake in memory that takes longer never ends. */
const TIMEOUT_MS = 10_000;

/** @param timeoutMs For one handshake; default 10 000. */
export function memoryHandshakeTrial(clock: Clock, timeoutMs: number = TIMEOUT_MS): HandshakeTrial {
  return {
    async run(material) {
      const options = optionsOf(material);
      try {
        // Here OpenSSL compares key and certificate, and refuses keys below its security level.
        createSecureContext(options);
      } catch (error) {
        return { kind: "failed", step: "load", cause: causeOf(error) };
      }
      return shake(options, clock, timeoutMs);
    },
  };
}

function optionsOf({ chainPem, tlsKey, trustBundlePem, crlsPem }: TrialMaterial) {
  return {
    ...policyOptions("1.3"),
    cert: chainPem,
    // A KeyObject is passed on as it is; Node's types know only its text forms.
    key: tlsKey as string,
    ca: trustBundlePem,
    ...(crlsPem === undefined || crlsPem.length === 0 ? {} : { crl: [...crlsPem] }),
  } satisfies SecureContextOptions;
}

function shake(
  options: SecureContextOptions,
  clock: Clock,
  timeoutMs: number,
): Promise<TrialOutcome> {
  return new Promise((resolve) => {
    stopCertificateLeak();
    const [near, far] = duplexPair();
    const seen: { server?: TLSSocket; client?: TLSSocket } = {};
    // Both ends take any certificate: the verdicts are read afterwards, whole.
    const listener = createServer({ ...options, requestCert: true, rejectUnauthorized: false });
    const finish = (outcome: TrialOutcome): void => {
      timer.cancel();
      for (const stream of [seen.client, seen.server, near, far]) discard(stream);
      resolve(outcome);
    };
    const fail = (cause: string): void => finish({ kind: "failed", step: "handshake", cause });
    const timer = clock.setTimer(timeoutMs, () => fail(`no handshake within ${timeoutMs} ms`));
    const settle = (): void => {
      if (seen.server === undefined || seen.client === undefined) return;
      // What the server showed was judged by the client, and the other way round.
      finish({ kind: "done", server: verdictOf(seen.client), client: verdictOf(seen.server) });
    };
    listener.on("secureConnection", (socket) => {
      seen.server = socket;
      socket.on("error", (error) => fail(causeOf(error)));
      settle();
    });
    listener.on("tlsClientError", (error) => fail(causeOf(error)));
    listener.emit("connection", far);
    const client = connect({
      socket: near,
      secureContext: createSecureContext(options),
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    client.on("error", (error) => fail(causeOf(error)));
    client.on("secureConnect", () => {
      seen.client = client;
      settle();
    });
  });
}

function discard(stream: Duplex | undefined): void {
  stream?.on("error", () => undefined);
  stream?.destroy();
}

/** Node's types say Error; at run time a server gets the code, a client an error with a code. */
function verdictOf(socket: TLSSocket): TrialVerdict {
  if (socket.authorized) return undefined;
  const error: unknown = socket.authorizationError;
  if (typeof error === "string") return error;
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "UNSPECIFIED";
}

/** OpenSSL's own name of a fault. Messages are left out: those of key parsers may quote the key. */
function causeOf(error: unknown): string {
  const { reason, code } = error as { reason?: unknown; code?: unknown };
  if (typeof reason === "string") return reason;
  return typeof code === "string" ? code : "unknown";
}
