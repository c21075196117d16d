/**
 * A file system on a loop device, whose device counts what is written to it, the journal of the file
 * system included. Needs root, mkfs.ext4 and a loop device.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const DISK_BYTES = 64 * 1024 * 1024;

export interface DiskCount {
  readonly bytes: number;
  readonly flushes: number;
}

/** A file system whose device counts. */
export interface CountingDisk extends Disposable {
  readonly dir: string;
  /** After everything that is still in memory has been written. */
  count(): DiskCount;
}

/** ext4 on a loop device; only root may have one. */
export function countingDisk(directory: string): CountingDisk | undefined {
  const image = join(directory, "disk.img");
  const dir = join(directory, "disk");
  writeFileSync(image, "");
  truncateSync(image, DISK_BYTES);
  mkdirSync(dir);
  const done = (command: string, ...args: string[]): string | undefined => {
    const { status, stdout } = spawnSync(command, args, { encoding: "utf8" });
    return status === 0 ? stdout.trim() : undefined;
  };
  const made = done("mkfs.ext4", "-q", "-b", "4096", image) !== undefined;
  if (!made || done("mount", "-o", "loop", image, dir) === undefined) {
    console.log("  the device's own count: left out, it takes root and a loop device");
    return undefined;
  }
  const name = (done("findmnt", "-no", "SOURCE", dir) ?? "").replace("/dev/", "");
  return {
    dir,
    count() {
      spawnSync("sync", ["-f", dir]);
      // Documentation/admin-guide/iostats.rst: sectors of 512 octets are field 7, flushes field 16.
      const fields = readFileSync(`/sys/block/${name}/stat`, "utf8").trim().split(/\s+/);
      return { bytes: Number(fields[6]) * 512, flushes: Number(fields[15]) };
    },
    [Symbol.dispose]: () => {
      spawnSync("umount", [dir]);
    },
  };
}
