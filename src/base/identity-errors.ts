/**
 * The rows of the error table that concern keys, certificates, their store and their authorities; part
 * of `ERRORS`, which is what everybody reads.
 */
import type { ErrorRow } from "./error-row.ts";

export const IDENTITY_ERRORS = {
  // certificates and keys
  ERR_CERT_INVALID: { status: 400, retry: false, hint: "issue the certificate again" },
  ERR_KEY_INVALID: { status: 400, retry: false, hint: "check the key file" },
  ERR_KEY_WEAK: {
    status: 400,
    retry: false,
    hint: "use a key on P-256, P-384 or Ed25519, or RSA with 2048 to 8192 bits",
  },
  ERR_KEY_PASSPHRASE: {
    status: 400,
    retry: false,
    hint: "give the passphrase that the file was made with",
  },
  ERR_KEY_DAMAGED: {
    status: 500,
    retry: false,
    hint: "import the key and certificate again, or enrol the device anew",
  },
  ERR_KEY_NOT_EXPORTABLE: {
    status: 400,
    retry: false,
    hint: "create a new key where it is needed and have a certificate issued for it",
  },
  ERR_KEY_SEALING_LOST: {
    status: 500,
    retry: false,
    hint: "restore the sealing key from where it came, or reset the store and enrol the device anew",
  },
  ERR_KEY_SEALING_WRONG: {
    status: 500,
    retry: false,
    hint: "restore the sealing key that this store was made with, or reset the store and enrol the device anew",
  },
  ERR_KEY_SEALING_INVALID: {
    status: 500,
    retry: false,
    hint: "correct where the sealing key is said to come from",
  },
  ERR_KEY_SEALING_EXPOSED: {
    status: 500,
    retry: false,
    hint: "give the sealing key's file to the agent's user and set its mode to 0600",
  },
  ERR_KEY_SEALING_UNAVAILABLE: {
    status: 503,
    retry: true,
    hint: "check the TPM or token and the program that speaks to it",
  },
  ERR_IMPORT_INVALID: {
    status: 400,
    retry: false,
    hint: "export the file again where it was made",
  },
  ERR_IMPORT_UNSUPPORTED: {
    status: 400,
    retry: false,
    hint: "convert the file with openssl as the message says, then import the result",
  },
  // the certificate store
  ERR_STORE_NONE: {
    status: 409,
    retry: false,
    hint: "set store.dir in place of tls.cert, tls.key and tls.ca, and restart the agent",
  },
  ERR_STORE_LOCKED: {
    status: 503,
    retry: true,
    hint: "another microedge uses this store; stop it, or give the command to the running agent",
  },
  ERR_STORE_UNSAFE: {
    status: 500,
    retry: false,
    hint: "the store must belong to the agent's user alone; correct owner and type as the message says",
  },
  ERR_STORE_FORMAT: {
    status: 500,
    retry: false,
    hint: "a newer microedge wrote this store; install that version again, or move its directory away and enrol the device anew",
  },
  ERR_STORE_FULL: {
    status: 503,
    retry: true,
    hint: "free space or inodes on the store's file system; the store recovers by itself",
  },
  ERR_STORE_READ_ONLY: {
    status: 503,
    retry: true,
    hint: "mount the store's file system for writing; if it fell back to read-only, check the disk",
  },
  ERR_STORE_IO: {
    status: 503,
    retry: true,
    hint: "the disk failed: look into the kernel log, and replace the card if it fails again",
  },
  ERR_STORE_CORRUPT: {
    status: 500,
    retry: false,
    hint: "the file was damaged on disk; what it held must be given again",
  },
  ERR_STORE_CONTENT: {
    status: 400,
    retry: false,
    hint: "give a key, its certificate and a trust bundle that belong together, within the limits",
  },
  ERR_STORE_SEQUENCE: {
    status: 409,
    retry: false,
    hint: "look at `microedge cert history`: the step does not fit what is in the store",
  },
  ERR_STORE_BUSY: {
    status: 503,
    retry: true,
    hint: "the disk is slow and changes wait for it; try again later",
  },
  ERR_STORE_CLOSED: { status: 503, retry: true, hint: "the agent is stopping; try again" },
  // the rotation queue
  ERR_QUEUE_FULL: {
    status: 503,
    retry: true,
    hint: "look at `microedge queue list`; drop what is no longer wanted with `microedge queue drop`",
  },
  ERR_QUEUE_CONTENT: {
    status: 400,
    retry: false,
    hint: "an intent holds names of objects in the store, never keys, tokens or certificates",
  },
  ERR_QUEUE_UNKNOWN: {
    status: 404,
    retry: false,
    hint: "`microedge queue list` names what is in the queue",
  },
  ERR_QUEUE_SEQUENCE: {
    status: 409,
    retry: false,
    hint: "the intent has ended; `microedge queue list` says how, `microedge queue retry` begins it again",
  },
  ERR_QUEUE_IO: {
    status: 503,
    retry: true,
    hint: "the disk refused the write; free space, or look into the kernel log. The queue recovers by itself",
  },
  ERR_QUEUE_FORMAT: {
    status: 500,
    retry: false,
    hint: "a newer microedge wrote the queue; install that version again, or reset the store",
  },
  ERR_QUEUE_ATTEMPT_TIMEOUT: {
    status: 504,
    retry: true,
    hint: "the other side did not answer in time; the attempt is made again by itself",
  },
  ERR_QUEUE_CLOSED: { status: 503, retry: true, hint: "the agent is stopping; try again" },
  ERR_REPORT_REFUSED: {
    status: 502,
    retry: false,
    hint: "see in the detail what the service has against it; the gap in the numbers shows the fleet that one is missing",
  },
  ERR_REPORT_LOST: {
    status: 500,
    retry: false,
    hint: "nothing to do: the gap in the numbers shows the fleet that a report is missing",
  },
  // trusted time
  ERR_TRUST_UPDATE: {
    status: 400,
    retry: false,
    hint: "have the update made again, or fetch the whole chain; docs/rotation.md says who signs it",
  },
  ERR_TIME_STATEMENT: {
    status: 400,
    retry: false,
    hint: "ask the agent for a new challenge, sign it within ten minutes, and send that answer",
  },
  // rotation of the identity
  ERR_CERT_REFUSED: {
    status: 400,
    retry: false,
    hint: "correct every reason that is listed; the identity in force has not changed",
  },
  ERR_CERT_SUPERSEDED: {
    status: 409,
    retry: false,
    hint: "a newer identity came while this one waited; look at `microedge cert history`",
  },
  ERR_INSTALL_NUMBER: {
    status: 409,
    retry: false,
    hint: "push what is new under a generation above all before; `microedge queue list` shows the last",
  },
  ERR_INSTALL_WAITS: {
    status: 503,
    retry: true,
    hint: "nothing: it goes in force by itself; `microedge queue drop` gives it up",
  },
  ERR_CERT_LOCAL: {
    status: 500,
    retry: false,
    hint: "the identity can't be used on this device; look at `microedge doctor` and the agent's log",
  },
  // certificates from an authority
  ERR_ENROLLED: {
    status: 409,
    retry: false,
    hint: "nothing was asked and no token was spent; to replace the identity add --again",
  },
  ERR_ISSUER_NONE: {
    status: 409,
    retry: false,
    hint: "set kind, url and root_sha256 under [issuer], and restart the agent",
  },
  ERR_ISSUER_UNREACHABLE: {
    status: 503,
    retry: true,
    hint: "check the network, issuer.url and client.proxy; the agent tries a renewal again by itself, an enrolment is a command to give again",
  },
  ERR_ISSUER_UNTRUSTED: {
    status: 503,
    retry: false,
    hint: "compare issuer.url and issuer.root_sha256 with the authority, and check the clock",
  },
  ERR_ISSUER_BUSY: {
    status: 503,
    retry: true,
    hint: "the authority asks for patience; the agent tries a renewal again by itself, an enrolment is a command to give again",
  },
  ERR_ISSUER_PENDING: {
    status: 503,
    retry: true,
    hint: "the request waits for somebody at the authority to approve or sign it",
  },
  ERR_ISSUER_REFUSED: {
    status: 403,
    retry: false,
    hint: "look into the authority's log; its policy refuses what was asked",
  },
  ERR_ISSUER_ENROL: {
    status: 401,
    retry: false,
    hint: "enrol the device anew: `microedge enroll --again --token-file FILE`",
  },
  ERR_ISSUER_TOKEN: {
    status: 400,
    retry: false,
    hint: "have a new token made for this device and this authority",
  },
  ERR_ISSUER_ANSWER: {
    status: 502,
    retry: false,
    hint: "check that issuer.url and issuer.kind name the authority; nothing of the answer was kept",
  },
  ERR_REVOCATION_SOURCE: {
    status: 503,
    retry: true,
    hint: "see the revocation lines of `microedge status`: the last good copy stays in force",
  },
} as const satisfies Record<string, ErrorRow>;
