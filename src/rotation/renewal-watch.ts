/**
 * Watches when the certificate in force is due, and puts the wish to renew it into the queue. It does not
 * renew: whoever works the queue off calls `RenewalWork`.
 *
 * The moment is a wall-clock time that is judged by the trusted time: a jump that nobody vouches for makes
 * nothing due, no timer is longer than an hour, and a restart draws nothing anew.
 */
import { AgentError, errorText } from "../base/errors.ts";
import type { Part } from "../base/lifecycle.ts";
import type { Timer } from "../host/clock.ts";
import { formatMoment } from "../identity/span-words.ts";
import type { JumpWatch } from "../identity/time/jump-watch.ts";
import { WallDeadline } from "../identity/time/wall-deadline.ts";
import { hasEnded, type Intent, type NewIntent } from "../queue/intent.ts";
import { leftMs } from "../queue/saved-attempts.ts";
import { Credit, hastyInARow, isHeld } from "./hasty-renewals.ts";
import type { OutageHistory } from "./outage-history.ts";
import { QuietNote } from "./quiet-note.ts";
import { PLAN_NOTE, PLAN_SHAPE, type RenewalPlan } from "./renewal-plan.ts";
import {
  longestWaitMs,
  MAX_RETRY_MS,
  type RenewalDue,
  renewalDue,
  spacingMs,
} from "./renewal-policy.ts";
import type { RenewalPorts, RenewalView } from "./renewal-ports.ts";
import { renewalView } from "./renewal-view.ts";
import { KEY_PREFIX, keyName, type RenewalWork } from "./renewal-work.ts";

export interface RenewalWatchOptions extends RenewalPorts {
  readonly jumps: Pick<JumpWatch, "onJump">;
  readonly work: RenewalWork;
  readonly outages: OutageHistory;
}

/** Whether the time is vouched for can change without a jump, and then what was held is due. */
const LOOK_MS = 600_000;
const KINDS: readonly Intent["kind"][] = ["renew", "re-key"];

export class RenewalWatch implements Part {
  readonly name = "renewal";
  readonly #options: RenewalWatchOptions;
  readonly #deadline: WallDeadline;
  readonly #credit: Credit;
  readonly #note: QuietNote<RenewalPlan>;
  #plan: RenewalPlan | undefined;
  /** Ids of intents that an operator asked for in this run. */
  readonly #asked = new Set<string>();
  #following: Promise<void> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;
  #unwatch: () => void = () => undefined;
  #unjump: () => void = () => undefined;
  #hurry: Timer | undefined;
  /** The wait that the timer is for: intent and attempts. */
  #hurriedFor: string | undefined;
  #looking: Timer | undefined;
  /** SHA-256 of the leaf of which it was told that its renewal waits. */
  #heldFor: string | undefined;

  constructor(options: RenewalWatchOptions) {
    this.#options = options;
    const { time, jumps, clock, log, store } = options;
    this.#credit = new Credit({ store, clock, log });
    this.#note = new QuietNote({ store, log }, PLAN_NOTE, PLAN_SHAPE);
    this.#deadline = new WallDeadline({
      name: "renewal",
      readMs: () => (this.#open() === undefined ? this.due()?.dueAt : undefined),
      run: async () => {
        if (await this.#isTimely()) await this.#wish();
      },
      ...{ time, jumps, clock, log },
    });
  }

  /** Takes up the plan of the run before; an empty store is waited for. */
  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { source, work } = this.#options;
    this.#plan = await this.#note.read();
    await work.pause.recall();
    await this.#clear();
    await this.#follow(undefined);
    this.#unsubscribe = source.subscribe(() => {
      const since = this.#options.time.dueMs();
      this.#following = this.#following.then(() => this.#follow(since));
    });
    this.#unwatch = this.#options.queue.onChange(({ what, intent }) => {
      if (what === "ended" || what === "dropped") this.#clearSoon();
      if (KINDS.includes(intent.kind)) this.#hurryUp();
    });
    // A wait that was written down by another clock, or before a restart, is cut short as well.
    this.#unjump = this.#options.jumps.onJump(() => {
      work.pause.lift();
      this.#hurryUp();
    });
    this.#hurryUp();
    this.#lookAgain();
    await this.#deadline.look();
  }

  /**
   * For a command: says when and renews on demand, and watches nothing. What it draws is kept, or the agent
   * would say something else.
   *
   * @param since When the certificate came, if this process saw it come; Unix ms.
   */
  async recall(since?: number): Promise<void> {
    this.#plan = await this.#note.read();
    await this.#planAnew(since);
  }

  /** When the certificate in force is to be renewed; `undefined` while there is none. */
  due(): RenewalDue | undefined {
    const { source, settings, time, outages } = this.#options;
    const { leaf } = source;
    if (leaf === undefined || this.#plan === undefined) return undefined;
    const { notBefore, notAfter } = leaf.summary;
    const { draw, inForceSince } = this.#plan;
    // A clock that went back since: what it said then is worth nothing now.
    const known = inForceSince !== undefined && inForceSince <= time.dueMs();
    return renewalDue(settings(), {
      ...{ notBefore, notAfter, draw },
      inForceSince: known ? inForceSince : undefined,
      longestOutageMs: outages.longestMs,
    });
  }

  view(): RenewalView {
    const { work, outages, issuer, time, clock } = this.#options;
    const open = this.#open();
    const ownMs = open === undefined ? 0 : leftMs(open.nextAttemptAt, clock.now());
    return renewalView({
      due: this.due(),
      intent: open,
      asked: open !== undefined && this.#asked.has(open.id),
      nowMs: time.dueMs(),
      nextMs: open?.state === "waiting" ? Math.max(ownMs, this.#heldMs(open)) : 0,
      issuer: issuer.kind,
      longestOutageMs: outages.longestMs,
      lastAttempt: work.lastAttempt,
      fault: work.lastError,
      remarks: work.remarks,
    });
  }

  /**
   * The intent that an operator asks for: the one that is there already made due, or a new one.
   *
   * @throws AgentError `ERR_IDENTITY_NONE` without a certificate; `ERR_QUEUE_*`.
   */
  async ask(): Promise<Intent> {
    const { queue, source } = this.#options;
    if (source.snapshot === undefined)
      throw new AgentError("ERR_IDENTITY_NONE", source.absent ?? "");
    const open = this.#open();
    if (open === undefined) {
      const intent = await this.#wish();
      this.#asked.add(intent.id);
      // The budget's pause after failures, or after power-up, is not for somebody who waits for the answer.
      return this.#heldMs(intent) > 0 ? queue.retry(intent.id) : intent;
    }
    this.#asked.add(open.id);
    // One that runs may have been interrupted by the end of the process, and wait for its pause to be over.
    return queue.retry(open.id);
  }

  /**
   * Something that an attempt failed for has changed (new roots, a network): it is tried again at once.
   *
   * @throws AgentError `ERR_QUEUE_IO`.
   */
  async nudge(): Promise<void> {
    const open = this.#open();
    if (open?.state === "waiting" && open.attempts > 0) await this.#options.queue.retry(open.id);
  }

  /** The configuration was read again: another share of the lifetime, or somebody has corrected something. */
  settingsChanged(): void {
    const { work } = this.#options;
    const open = this.#open();
    const wasHeld = open?.state === "waiting" && work.holds(open) !== undefined;
    work.pause.lift();
    // Not an outage: those are waited for as ever, whoever reads whatever.
    if (wasHeld) void this.#nudgeQuietly();
    void this.#deadline.look();
  }

  /** Removes the keys and the answer of renewals that are over; the watch does so by itself. */
  clear(): Promise<void> {
    return this.#clear();
  }

  /** Resolves when no plan is being written; for tests and orderly ends. */
  async settled(): Promise<void> {
    await this.#following;
    await this.#deadline.look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    this.#unwatch();
    this.#unjump();
    this.#hurry?.cancel();
    this.#looking?.cancel();
    await this.#deadline[Symbol.asyncDispose]();
    await this.#following;
  }

  #lookAgain(): void {
    this.#looking = this.#options.clock.setTimer(LOOK_MS, () => {
      this.#lookAgain();
      this.#hurryUp();
      void this.#deadline.look();
    });
  }

  #heldMs(intent: Intent): number {
    const { heldMs, work } = this.#options;
    return heldMs?.(intent) ?? work.holds(intent)?.forMs ?? 0;
  }

  #open(): Intent | undefined {
    return this.#options.queue
      .list()
      .findLast((intent) => KINDS.includes(intent.kind) && !hasEnded(intent));
  }

  /**
   * Near the end of a life the pauses are cut short: that of the intent, and that of the budget, which
   * knows nothing of certificates.
   */
  #hurryUp(): void {
    const { source, time, clock, queue, log } = this.#options;
    const open = this.#open();
    const { leaf } = source;
    const wait = open?.state === "waiting" ? `${open.id} ${open.attempts}` : undefined;
    if (wait !== undefined && wait === this.#hurriedFor) return;
    this.#hurry?.cancel();
    this.#hurriedFor = undefined;
    if (leaf === undefined || open === undefined || wait === undefined) return;
    const { notBefore, notAfter } = leaf.summary;
    const mostMs = longestWaitMs(notAfter - time.dueMs(), notAfter - notBefore);
    if (mostMs >= MAX_RETRY_MS) return;
    this.#hurriedFor = wait;
    this.#hurry = clock.setTimer(mostMs, () => {
      this.#hurriedFor = undefined;
      queue.retry(open.id).catch((error: unknown) => {
        log.emit("renewal.unwritten", { note: open.id, reason: errorText(error) });
      });
    });
  }

  /** Whether the clock that makes it due is to be believed, see hasty-renewals.ts. */
  async #isTimely(): Promise<boolean> {
    const { source, time, log } = this.#options;
    const { leaf } = source;
    const dueAt = this.due()?.dueAt;
    if (leaf === undefined || dueAt === undefined || !isHeld(this.#plan?.hasty ?? 0)) return true;
    const { state, floorMs, nowMs } = time.view();
    if (state !== "unknown" || floorMs >= dueAt) return true;
    const { fingerprint, notBefore, notAfter } = leaf.summary;
    const spacing = spacingMs(notAfter - notBefore);
    if (await this.#credit.isEnough(fingerprint, spacing)) return true;
    if (this.#heldFor !== fingerprint) {
      const fields = { deadline: formatMoment(dueAt), clock: formatMoment(nowMs) };
      log.emit("time.deadline.held", { name: "renewal", ...fields });
    }
    this.#heldFor = fingerprint;
    return false;
  }

  async #wish(): Promise<Intent> {
    const { store, queue, settings } = this.#options;
    const kind = settings().rekey ? "re-key" : "renew";
    // Above everything that ever had a number: one that ended under it would be taken for this one.
    const numbers = [
      ...store.history().map(({ number }) => number),
      ...queue.list().flatMap((each) => (KINDS.includes(each.kind) ? [each.generation] : [])),
    ];
    const wish: NewIntent = { kind, generation: Math.max(0, ...numbers) + 1 };
    return queue.add(wish);
  }

  /** Another certificate may be in force. @param since When it came, if this process saw it come. */
  async #follow(since: number | undefined): Promise<void> {
    if (this.#options.source.leaf === undefined) return;
    const before = this.#plan?.leaf;
    const isAnother = await this.#planAnew(since);
    // A renewal that waits for its next attempt may be over, and what it failed for no longer true.
    if (isAnother && before !== undefined) await this.#nudgeQuietly();
    // Not waited for: looking may mean to add to the queue, which waits for the disk again.
    void this.#deadline.look();
  }

  /** Draws and keeps the plan of another certificate; resolves with whether it is another. */
  async #planAnew(since: number | undefined): Promise<boolean> {
    const { source, random, log } = this.#options;
    const leaf = source.leaf?.summary;
    if (leaf === undefined || this.#plan?.leaf === leaf.fingerprint) return false;
    const { fingerprint, notBefore } = leaf;
    const hasty = hastyInARow(leaf, this.#plan?.notBefore, this.#plan?.hasty ?? 0);
    const drawn = { draw: random.draw(), inForceSince: since };
    const plan = { leaf: fingerprint, ...drawn, notBefore, hasty };
    this.#plan = plan;
    await this.#credit.end();
    await this.#note.write(plan);
    const due = this.due();
    if (due !== undefined) {
      const { dueAt, reason } = due;
      log.emit("renewal.planned", { due: formatMoment(dueAt), reason, serial: leaf.serial });
    }
    return true;
  }

  async #nudgeQuietly(): Promise<void> {
    try {
      await this.nudge();
    } catch (error) {
      const reason = errorText(error);
      this.#options.log.emit("renewal.unwritten", { note: "queue", reason });
    }
  }

  #clearSoon(): void {
    this.#following = this.#following.then(() => this.#clear());
  }

  /** What stays of renewals that are over costs space, and the next start tries again. */
  async #clear(): Promise<void> {
    const { store, queue, log, work } = this.#options;
    const open = queue.list().filter((each) => !hasEnded(each));
    await work.clearAnswer(new Set(open.map(({ id }) => id)));
    const wanted = new Set(open.map(keyName));
    for (const name of store.pendingKeys().keys()) {
      if (!name.startsWith(KEY_PREFIX) || wanted.has(name)) continue;
      try {
        await store.dropKey(name);
      } catch (error) {
        log.emit("renewal.key.left", {
          intent: name.slice(KEY_PREFIX.length),
          reason: errorText(error),
        });
      }
    }
  }
}
