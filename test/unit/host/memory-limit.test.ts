import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { memoryLimitBytes } from "#src/host/memory-limit.ts";

const MIB = 1024 * 1024;
const V1 = "/sys/fs/cgroup/memory";
const V1_NONE = "9223372036854771712\n";

const CASES: readonly {
  why: string;
  files: Readonly<Record<string, string>>;
  limit: number | undefined;
}[] = [
  { why: "no control groups at all", files: {}, limit: undefined },
  {
    why: "version 2: the unit's own limit",
    files: {
      "/proc/self/cgroup": "0::/system.slice/microedge.service\n",
      "/sys/fs/cgroup/system.slice/microedge.service/memory.max": `${64 * MIB}\n`,
      "/sys/fs/cgroup/system.slice/memory.max": "max\n",
    },
    limit: 64 * MIB,
  },
  {
    why: "version 2: a slice around it is tighter",
    files: {
      "/proc/self/cgroup": "0::/a.slice/microedge.service\n",
      "/sys/fs/cgroup/a.slice/microedge.service/memory.max": `${96 * MIB}\n`,
      "/sys/fs/cgroup/a.slice/memory.max": `${80 * MIB}\n`,
    },
    limit: 80 * MIB,
  },
  {
    why: "version 2: no limit anywhere",
    files: { "/proc/self/cgroup": "0::/x\n", "/sys/fs/cgroup/x/memory.max": "max\n" },
    limit: undefined,
  },
  {
    why: "version 1, memory mounted with others; the kernel's number for none does not count",
    files: {
      "/proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/docker/abc\n",
      [`${V1}/docker/abc/memory.limit_in_bytes`]: `${128 * MIB}\n`,
      [`${V1}/docker/memory.limit_in_bytes`]: V1_NONE,
    },
    limit: 128 * MIB,
  },
  {
    why: "a container: the named path is not mounted, its root is",
    files: {
      "/proc/self/cgroup": "4:memory:/docker/abc\n",
      [`${V1}/memory.limit_in_bytes`]: `${70 * MIB}\n`,
    },
    limit: 70 * MIB,
  },
  {
    why: "a group whose name climbs out of the tree stays in it",
    files: {
      "/proc/self/cgroup": "0::/../../etc\n",
      "/sys/fs/cgroup/etc/memory.max": `${64 * MIB}\n`,
    },
    limit: 64 * MIB,
  },
];

suite("memory limit of the control group", () => {
  for (const { why, files, limit } of CASES) {
    test(why, () => {
      const read = (path: string): string => {
        const text = files[path];
        if (text === undefined) throw new Error(`ENOENT ${path}`);
        return text;
      };
      assert.equal(memoryLimitBytes(read), limit);
    });
  }

  test("on this machine it is nothing, or a number of bytes", () => {
    const limit = memoryLimitBytes();
    assert.ok(limit === undefined || (Number.isSafeInteger(limit) && limit > 0));
  });
});
