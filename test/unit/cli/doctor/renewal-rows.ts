/** What can be wrong with renewal and its queue. */
import type { RenewalView } from "#src/rotation/renewal-ports.ts";
import type { StatusView } from "#src/sidecar/admin-operations.ts";
import type { QueueView } from "#src/sidecar/queue-operations.ts";
import { STATUS } from "../../../fakes/admin-operations.ts";
import { DAY, missing, NOW, path, type Row } from "./facts-rig.ts";

/** Checks that only a device with an issuer and a store has. */
export const RENEWAL_ONLY: readonly string[] = ["renewal.state", "issuer.secrets", "queue.durable"];

const RENEWAL: RenewalView = {
  issuer: "step-ca",
  dueAt: NOW + 20 * DAY,
  reason: undefined,
  words: "due in 20 days",
  intent: undefined,
  lastAttempt: undefined,
  lastError: undefined,
  fault: undefined,
  attempts: 0,
  remarks: [],
  longestOutageMs: 0,
};
const FAULT = {
  code: "ERR_ISSUER_REFUSED",
  reason: "needs-enrolment",
  words: "the authority does not renew it",
  fix: "enrol the device again",
  needsOperator: true,
  at: NOW,
  times: 1,
} as const;
const QUEUE: QueueView = {
  waiting: 1,
  running: 0,
  failed: 0,
  byKind: [{ kind: "renew", state: "waiting", count: 1 }],
  oldestWaitingMs: 0,
  durable: true,
  fault: null,
  healed: [],
  attempts: { begun: 0, succeeded: 0, failed: 0, connections: 0 },
  wear: { bytesWritten: 0, syncs: 0, operations: 0 },
};

const agent = (more: Partial<StatusView>) => ({ agent: { ...STATUS, ...more } });
const endsIn = (days: number) => ({
  identity: {
    ...(STATUS.identity as NonNullable<StatusView["identity"]>),
    notAfter: NOW + days * DAY,
  },
});

export const RENEWAL_ROWS: readonly Row[] = [
  {
    id: "renewal.state",
    result: "ok",
    says: /due in 20 days/,
    why: "there is time",
    make: () => agent({ ...endsIn(60), renewal: RENEWAL }),
  },
  {
    id: "renewal.state",
    result: "fail",
    says: /due in 20 days; the certificate ends in 5 days/,
    why: "the authority has said no",
    make: () => agent({ ...endsIn(5), renewal: { ...RENEWAL, fault: FAULT } }),
  },
  {
    id: "renewal.state",
    result: "fail",
    says: /ended/,
    why: "the outage was longer than the certificate",
    make: () => agent({ ...endsIn(-1), renewal: RENEWAL }),
  },
  {
    id: "renewal.state",
    result: "warn",
    says: /due in 20 days/,
    why: "it fails again and again",
    make: () =>
      agent({
        ...endsIn(60),
        renewal: { ...RENEWAL, attempts: 9, fault: { ...FAULT, needsOperator: false } },
      }),
  },
  {
    id: "issuer.secrets",
    result: "fail",
    says: /issuer\.password_file: .*mode 0644.*others/,
    why: "any user of the machine may enrol as the factory does",
    make: () => ({
      issuerSecrets: [{ key: "issuer.password_file", file: path("password", 0o644) }],
    }),
  },
  {
    id: "issuer.secrets",
    result: "fail",
    says: /issuer\.birth_key: ENOENT/,
    why: "it will be missed on the day that it is needed",
    make: () => ({ issuerSecrets: [{ key: "issuer.birth_key", file: missing("ENOENT") }] }),
  },
  {
    id: "issuer.secrets",
    result: "ok",
    says: /^issuer\.password_file, issuer\.birth_key$/,
    why: "both are the agent's alone",
    make: () => ({
      issuerSecrets: [
        { key: "issuer.password_file", file: path("password", 0o600) },
        { key: "issuer.birth_key", file: path("birth.key", 0o400) },
      ],
    }),
  },
  {
    id: "queue.durable",
    result: "fail",
    says: /memory only: it is read-only/,
    why: "the card gave up",
    make: () => agent({ queue: { ...QUEUE, durable: false, fault: "it is read-only" } }),
  },
  {
    id: "queue.durable",
    result: "warn",
    says: /2 intents failed/,
    why: "something will never be done by itself",
    make: () => agent({ queue: { ...QUEUE, failed: 2 } }),
  },
  {
    id: "queue.durable",
    result: "warn",
    says: /not delivered: 3;.*2 days/,
    why: "nobody takes the reports",
    make: () =>
      agent({
        queue: {
          ...QUEUE,
          byKind: [{ kind: "report", state: "waiting", count: 3 }],
          oldestWaitingMs: 2 * DAY,
        },
      }),
  },
  {
    id: "queue.durable",
    result: "ok",
    says: /1 wait, 0 run/,
    why: "all is written down",
    make: () => agent({ queue: QUEUE }),
  },
];
