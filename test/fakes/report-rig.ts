/**
 * Reports with everything around them in memory: the real queue on a disk that can lose its power, its real
 * worker, the real rotator, a store in memory, and a fleet that a test can take away.
 */
import { AgentError } from "#src/base/errors.ts";
import { AttemptBudget } from "#src/queue/attempt-budget.ts";
import { handlerOf, type IntentHandlers } from "#src/queue/handlers.ts";
import type { IntentQueue } from "#src/queue/intent-queue.ts";
import { openIntentQueue } from "#src/queue/open-intent-queue.ts";
import { QueueWorker } from "#src/queue/queue-worker.ts";
import type { RenewalView } from "#src/rotation/renewal-ports.ts";
import type { ReportDelivery, ReportDocument } from "#src/rotation/report-document.ts";
import { openReportWork, type ReportWork } from "#src/rotation/report-work.ts";
import { settle } from "./fake-clock.ts";
import { FakeRandom } from "./fake-random.ts";
import { PowerDisk } from "./power-disk.ts";
import { type Process, RotationRig } from "./rotation-rig.ts";

/** Takes reports as a service would: what comes twice is one. */
export class FakeFleet implements ReportDelivery {
  /** All that arrived, in order, repetitions included. */
  readonly arrived: ReportDocument[] = [];
  /** Attempts, also those that reached nobody. */
  attempts = 0;
  /** What it answers a report with; default it takes it. */
  answer: (report: ReportDocument) => AgentError | undefined | Promise<undefined> = () => undefined;

  async deliver(report: ReportDocument): Promise<void> {
    this.attempts += 1;
    const error = await this.answer(report);
    if (error !== undefined) throw error;
    this.arrived.push(report);
  }

  /** `1 generation in-force 1`, ... in the order of arrival. */
  get said(): readonly string[] {
    return this.arrived.map(sentence);
  }
}

export function sentence({ report, kind, outcome, generation }: ReportDocument): string {
  return `${report} ${kind} ${outcome} ${generation}`;
}

export const AWAY = (): AgentError => new AgentError("ERR_RPC_CONNECT", "fleet: nobody is there");

export interface ReportProcess extends Process, AsyncDisposable {
  readonly queue: IntentQueue;
  readonly reports: ReportWork;
  /** Lets everything run that needs no time. */
  idle(): Promise<void>;
}

export class ReportRig {
  readonly rotation: RotationRig;
  readonly fleet = new FakeFleet();
  readonly disk: PowerDisk;
  renewal: RenewalView | undefined;
  #seed = 1;

  constructor(rotation: RotationRig, disk: PowerDisk = new PowerDisk()) {
    this.rotation = rotation;
    this.disk = disk;
  }

  /** With a generation in force that nobody has confirmed. */
  static async make(): Promise<ReportRig> {
    const rig = new ReportRig(await RotationRig.make());
    const first = await rig.rotation.started();
    const content = await rig.rotation.content("roof-7");
    await first.rotator.install(content, { origin: "import" });
    await first.rotator[Symbol.asyncDispose]();
    return rig;
  }

  /** A start of the agent on what the flash holds. */
  async process(others: IntentHandlers = {}): Promise<ReportProcess> {
    const { rotation, fleet } = this;
    const { store, clock } = rotation;
    const process = await rotation.started();
    const { source, rotator, log } = process;
    const random = new FakeRandom(this.#seed++);
    const queue = await openIntentQueue({
      ...{ path: "/state/queue/log", disk: this.disk, epoch: store.epoch, device: "roof-7" },
      ...{ clock, random, log },
    });
    const reports = await openReportWork({
      ...{ store, source, rotator, queue, clock, log, delivery: fleet },
      device: () => (source.leaf === undefined ? undefined : "roof-7"),
      renewal: () => this.renewal,
      time: { view: () => rotation.timeView(), dueMs: () => clock.now() },
    });
    const budget = new AttemptBudget({ clock, random, device: "roof-7", policy: { spreadMs: 0 } });
    const handlers = { ...others, report: handlerOf(reports) };
    const worker = new QueueWorker({ queue, budget, handlers, clock, log });
    worker.start();
    const idle = async (): Promise<void> => {
      for (let round = 0; round < 60; round++) await settle();
    };
    return {
      ...{ ...process, queue, reports, idle },
      async [Symbol.asyncDispose]() {
        await worker[Symbol.asyncDispose]();
        await reports[Symbol.asyncDispose]();
        await rotator[Symbol.asyncDispose]();
        await queue[Symbol.asyncDispose]();
      },
    };
  }
}
