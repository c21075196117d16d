/**
 * How much the kernel reads beside a page of a file that is missing in memory. Under a tight memory
 * limit much of it is thrown out again before anybody needs it, and with it what was needed.
 */
import { readFile, stat } from "node:fs/promises";

export interface ReadAhead {
  /** "major:minor" of the block device. */
  readonly device: string;
  readonly kib: number;
  /** File that holds the setting; root may write to it. */
  readonly setting: string;
}

/**
 * Of the device that holds `path`.
 *
 * @throws Error when the file is on no block device that can be seen (tmpfs, overlay, network).
 * @see The kernel's Documentation/ABI: `queue/read_ahead_kb` of disks; a partition has its disk's.
 */
export async function readAheadOf(path: string): Promise<ReadAhead> {
  const { dev } = await stat(path);
  const device = `${major(dev)}:${minor(dev)}`;
  const block = `/sys/dev/block/${device}`;
  // not joined: ".." must be that of what the link points at, which for a partition is its disk
  for (const setting of [
    `${block}/queue/read_ahead_kb`,
    `${block}/../queue/read_ahead_kb`,
    `/sys/class/bdi/${device}/read_ahead_kb`,
  ]) {
    const text = await readFile(setting, "utf8").catch(() => "");
    if (/^\d+\s*$/.test(text)) return { device, kib: Number(text), setting };
  }
  throw new Error(`no read-ahead is known for device ${device}, which holds ${path}`);
}

/** Of a Linux device number as stat(2) gives it (glibc's gnu_dev_major). */
function major(dev: number): number {
  const wide = BigInt(dev);
  return Number(((wide >> 8n) & 0xfffn) | ((wide >> 32n) & 0xfffff000n));
}

function minor(dev: number): number {
  const wide = BigInt(dev);
  return Number((wide & 0xffn) | ((wide >> 12n) & 0xffffff00n));
}
