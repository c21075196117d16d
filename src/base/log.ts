/**
 * The log port and the one table of events.
 *
 * `event` is a constant from {@link EVENTS}; the sentence of the row is the constant `msg`;
 * everything variable is a field. Levels: error = someone must act; warn = degraded and
 * self-healing; info = state changes only; debug = per call. Never a key, token, PEM or payload.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

export const EVENTS = {
  "agent.starting": { level: "info", msg: "agent is starting" },
  "agent.ready": { level: "info", msg: "agent serves" },
  "agent.draining": { level: "info", msg: "agent finishes open calls and stops" },
  "agent.stopped": { level: "info", msg: "agent has stopped" },
  "agent.start.failed": { level: "error", msg: "agent could not start" },
  "agent.failed": { level: "error", msg: "agent ends because of a bug" },
  "agent.rejection.unhandled": {
    level: "error",
    msg: "a promise was rejected and nobody waited for it; agent goes on",
  },
  "agent.insecure": { level: "error", msg: "peers are not verified: development only" },
  "config.reloaded": { level: "info", msg: "configuration was read again" },
  "config.reload.refused": {
    level: "error",
    msg: "new configuration was refused; the old one stays in force",
  },
  "config.restart.needed": { level: "warn", msg: "a changed key needs a restart to take effect" },
  "listener.waiting": { level: "warn", msg: "listener waits for its address or certificate" },
  "listener.listening": { level: "info", msg: "listener accepts connections" },
  "connection.refused": { level: "warn", msg: "connection was refused" },
  "connection.opened": { level: "debug", msg: "peer connected" },
  "connection.closed": { level: "debug", msg: "peer disconnected" },
  "handshake.failed": { level: "warn", msg: "TLS handshake failed" },
  "peer.certificate.leaks": {
    level: "debug",
    msg: "this Node.js is built differently: each connection may leak a few kilobytes",
  },
  "peer.refused": { level: "warn", msg: "peer was refused" },
  "peer.observed": { level: "warn", msg: "peer would be refused if verification were enforced" },
  "certificate.revoked": {
    level: "error",
    msg: "this device's own certificate is revoked: peers that know refuse it",
  },
  "peer.revoked": {
    level: "warn",
    msg: "peer's certificate is revoked or denied: its connections are cut and it is refused",
  },
  "peer.revocation.unknown": {
    level: "warn",
    msg: "peer could not be checked for revocation and was let in",
  },
  "revocation.crl.loaded": { level: "info", msg: "certificate revocation list is in force" },
  "revocation.source.refused": {
    level: "error",
    msg: "a CRL or OCSP answer was refused; the last good one stays in force",
  },
  "revocation.source.failed": {
    level: "warn",
    msg: "a CRL or OCSP answer could not be had; the last good one stays in force",
  },
  "revocation.source.stale": {
    level: "warn",
    msg: "a CRL is stale: peers that it does not list can't be checked any more",
  },
  "revocation.deny.spared": {
    level: "error",
    msg: "a recovery identity is on the deny list and is let in: revocation.deny_recovery is not set",
  },
  "tls.material.loaded": { level: "info", msg: "certificate, key and trust bundle are in use" },
  "tls.material.refused": {
    level: "error",
    msg: "new certificate, key or trust bundle was refused; the old one stays in force",
  },
  "tls.material.warning": {
    level: "warn",
    msg: "certificate, key or trust bundle deserves a look",
  },
  "tls.observing": {
    level: "warn",
    msg: "peers that fail verification are let in for the time being",
  },
  "tls.protocol.lowered": { level: "warn", msg: "TLS 1.2 is allowed for old peers" },
  "store.opened": { level: "info", msg: "certificate store is open" },
  "store.begun": { level: "info", msg: "certificate store begins a new epoch" },
  "store.healed": { level: "warn", msg: "certificate store was repaired" },
  "store.failed": {
    level: "error",
    msg: "certificate store can't be written; the agent goes on from memory",
  },
  "store.recovered": { level: "info", msg: "certificate store can be written again" },
  "store.reserve.missing": {
    level: "warn",
    msg: "no space is set aside: on a full disk the next rotation may fail",
  },
  "store.worn": { level: "warn", msg: "certificate store wrote more today than its budget" },
  "queue.opened": { level: "info", msg: "rotation queue is open" },
  "queue.healed": { level: "warn", msg: "rotation queue was repaired" },
  "queue.discarded": {
    level: "warn",
    msg: "intents of another epoch or device were taken out of the rotation queue",
  },
  "queue.failed": {
    level: "error",
    msg: "rotation queue can't be written; it goes on from memory",
  },
  "queue.recovered": { level: "info", msg: "rotation queue can be written again" },
  "queue.full": { level: "error", msg: "rotation queue is full; the intent was refused" },
  "queue.report.displaced": {
    level: "warn",
    msg: "rotation queue is full: its oldest report gave way",
  },
  "queue.intent.added": { level: "info", msg: "an intent is in the rotation queue" },
  "queue.intent.begun": { level: "debug", msg: "an attempt begins" },
  "queue.intent.failed": { level: "warn", msg: "an attempt failed; there will be another" },
  "queue.intent.abandoned": {
    level: "error",
    msg: "an intent failed for good; nothing tries it again by itself",
  },
  "queue.intent.done": { level: "info", msg: "an intent was carried out" },
  "queue.intent.superseded": { level: "info", msg: "a newer generation takes an intent's place" },
  "queue.intent.retried": { level: "info", msg: "an intent was made due at once" },
  "queue.intent.dropped": { level: "warn", msg: "an intent was taken out of the rotation queue" },
  "queue.handler.failed": { level: "error", msg: "an attempt failed with a bug" },
  "queue.outcome.unwritten": {
    level: "error",
    msg: "the outcome of an attempt could not be written; a restart would make the attempt again",
  },
  "report.made": { level: "info", msg: "a report to the fleet is in the rotation queue" },
  "report.delivered": { level: "info", msg: "the fleet has taken a report" },
  "report.refused": { level: "error", msg: "the fleet refuses a report; it is not sent again" },
  "report.unwritten": {
    level: "warn",
    msg: "what is to be reported could not be kept; it is tried again within ten minutes",
  },
  "certificate.rotated": { level: "info", msg: "a new generation of the identity is in force" },
  "certificate.refused": {
    level: "error",
    msg: "a new identity was refused; the old one stays in force",
  },
  "certificate.trialled": { level: "info", msg: "a peer accepted the new identity" },
  "certificate.proven": { level: "info", msg: "probation is over: the identity is confirmed" },
  "certificate.unproven": {
    level: "warn",
    msg: "the identity in force has not been accepted by any probe peer yet",
  },
  "certificate.fallback": {
    level: "error",
    msg: "the new identity failed; the one before is in force again",
  },
  "certificate.fallback.withheld": {
    level: "error",
    msg: "the new identity fails, and the one before is no good either; the new one stays in force",
  },
  "certificate.unwritten": {
    level: "warn",
    msg: "what became of an identity could not be written; the next start finds it out again",
  },
  "certificate.publish.failed": {
    level: "error",
    msg: "a part of the agent could not take the identity over",
  },
  "renewal.planned": { level: "info", msg: "when the certificate will be renewed" },
  "renewal.started": { level: "info", msg: "renewal of the certificate has begun" },
  "renewal.succeeded": { level: "info", msg: "a renewed certificate is in force" },
  "renewal.failed": { level: "warn", msg: "renewal gave no certificate; it is tried again" },
  "renewal.stuck": {
    level: "error",
    msg: "renewal needs an operator; it is tried again, rarely",
  },
  "renewal.bridged": {
    level: "info",
    msg: "the certificate had ended: its key was renewed first, and a new key follows",
  },
  "renewal.obsolete": {
    level: "info",
    msg: "the device was given another identity; the renewal is over",
  },
  "renewal.unwritten": {
    level: "warn",
    msg: "a note about renewals could not be kept or read; a restart forgets it",
  },
  "renewal.key.left": {
    level: "warn",
    msg: "a key that is no longer needed could not be removed; the next start removes it",
  },
  "install.accepted": {
    level: "info",
    msg: "a pushed identity is on the disk; it goes in force as soon as it may",
  },
  "install.waits": { level: "info", msg: "a pushed identity is not put in force yet" },
  "install.left": {
    level: "warn",
    msg: "what a pushed identity needed could not be removed; it costs space until the next start",
  },
  "trust.update.accepted": { level: "info", msg: "a signed trust update is on the disk" },
  "trust.update.waits": { level: "warn", msg: "a trust update can't be put in force yet" },
  "trust.update.left": {
    level: "warn",
    msg: "a trust update that is over could not be removed; it costs space until the next start",
  },
  "trust.update.applied": { level: "info", msg: "a signed trust update is in force" },
  "trust.update.refused": { level: "error", msg: "a trust update was refused" },
  "trust.changed": { level: "info", msg: "other authorities are trusted than before" },
  "trust.overlap.begun": {
    level: "info",
    msg: "old and new authorities are trusted side by side for a while",
  },
  "trust.overlap.ended": { level: "info", msg: "the old authorities are no longer trusted" },
  "trust.overlap.stuck": {
    level: "error",
    msg: "the old authorities should go, but the identity needs them",
  },
  "rpc.call": { level: "debug", msg: "call finished" },
  "rpc.message.refused": { level: "warn", msg: "peer sent something that is not a valid message" },
  "rpc.stream.late": { level: "debug", msg: "message dropped: its stream has ended" },
  "rpc.handler.failed": { level: "error", msg: "handler failed with a bug" },
  "limit.reached": { level: "warn", msg: "peer is refused calls because of a limit" },
  "memory.short": { level: "warn", msg: "memory is short; newcomers, calls, idle peers give way" },
  "memory.calm": { level: "info", msg: "memory is below its marks again" },
  "memory.thrashing": {
    level: "warn",
    msg: "the program is read from disk again and again: the memory limit is too small",
  },
  "limits.in.force": { level: "info", msg: "limits have their memory and are in force" },
  "rpc.client.retry": { level: "debug", msg: "call is tried again" },
  "rpc.client.node.resting": { level: "warn", msg: "node failed and rests" },
  "handlers.loaded": { level: "info", msg: "handler module was loaded" },
  "codec.failed": {
    level: "error",
    msg: "codec of a handler module failed; the call was answered",
  },
  "codec.resting": {
    level: "warn",
    msg: "codec of a handler module hung too often and rests; calls that need it are answered 503",
  },
  "handler.note": { level: "info", msg: "a handler module reports" },
  "handler.warning": { level: "warn", msg: "a handler module warns" },
  "control.listening": { level: "info", msg: "control socket accepts commands" },
  "metrics.listening": { level: "info", msg: "figures are served to scrapers on this machine" },
  "metrics.unavailable": {
    level: "warn",
    msg: "figures can't be served; it is tried once a minute",
  },
  "metrics.failed": { level: "warn", msg: "figures could not be read or their socket not removed" },
  "control.request.failed": { level: "warn", msg: "control request failed" },
  "time.known": { level: "info", msg: "how far the clock is trusted has changed" },
  "time.clock.wrong": {
    level: "warn",
    msg: "the clock is wrong; dates are judged by what has been proven",
  },
  "time.clock.right": { level: "info", msg: "the clock is no longer known to be wrong" },
  "time.jumped": { level: "warn", msg: "the clock jumped; deadlines and checks are made again" },
  "time.suspended": { level: "info", msg: "the machine was suspended" },
  "time.floor.raised": { level: "info", msg: "an authority or the fleet proved a later time" },
  "time.floor.lowered": { level: "warn", msg: "a time statement of the fleet set the time back" },
  "time.floor.refused": { level: "warn", msg: "what an authority says of the time does not count" },
  "time.floor.unreadable": {
    level: "warn",
    msg: "the proven time in the store does not count; the build date takes its place",
  },
  "time.floor.unwritten": {
    level: "warn",
    msg: "the proven time could not be written; a restart would forget it",
  },
  "time.statement.accepted": { level: "info", msg: "time statement of the fleet was accepted" },
  "time.statement.refused": { level: "warn", msg: "time statement was refused" },
  "time.deadline.held": {
    level: "warn",
    msg: "a deadline seems to be over because the clock jumped; it waits until the clock is vouched for",
  },
  "time.deadline.failed": { level: "error", msg: "what was due failed; it is tried again" },
  "certificate.expiry.warning": { level: "warn", msg: "a certificate ends soon: WARNING" },
  "certificate.expiry.critical": {
    level: "error",
    msg: "a certificate ends very soon, or has ended: CRITICAL",
  },
  "certificate.expiry.unclear": {
    level: "warn",
    msg: "the clock is wrong, so the date of a certificate means little",
  },
  "certificate.expiry.good": { level: "info", msg: "a certificate has time left again" },
  "watchdog.missed": { level: "error", msg: "agent did not answer itself in time" },
  "config.warning": { level: "warn", msg: "configuration deserves a look" },
  "audit.allowed": { level: "info", msg: "call was allowed" },
  "audit.denied": { level: "warn", msg: "call was denied" },
  "audit.omitted": { level: "warn", msg: "decisions that the audit log had no room to name" },
  "audit.policy": { level: "info", msg: "policy is in force" },
  "notify.failed": { level: "warn", msg: "systemd could not be notified" },
  "log.suppressed": { level: "warn", msg: "repeated events were left out" },
} as const satisfies Record<string, { level: LogLevel; msg: string }>;

export type LogEvent = keyof typeof EVENTS;

/** One of several things of a kind, each with the same fields: `reasons: [{code, words}]`. */
export type LogRow = Readonly<Record<string, string>>;
export type LogValue =
  | string
  | number
  | boolean
  | undefined
  | readonly string[]
  | readonly LogRow[];
export type LogFields = Readonly<Record<string, LogValue>>;

export interface Logger {
  /** Writes one line at the event's own level; a field that is `undefined` is left out. */
  emit(event: LogEvent, fields?: LogFields): void;
  /** Whether lines of this level are written; ask before building costly fields. */
  enabled(level: LogLevel): boolean;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Logger;
}

/** A logger that drops everything; for tests and one-shot commands. */
export const SILENT: Logger = {
  emit: () => undefined,
  enabled: () => false,
  with: () => SILENT,
};
