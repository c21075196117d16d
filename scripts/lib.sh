# Set-up that scripts/test and scripts/demo have in common. Sourced; expects $root.

# Says what is going on: one line on standard error, so that output can be piped.
say() { printf '\033[1m==>\033[0m %s\n' "$*" | if [ -t 2 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi >&2; }

# Whether Go 1.25 or later is installed.
has_go() {
  local version
  version=$(go env GOVERSION 2>/dev/null) || return 1
  [[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 25 ]
}

# Installs the npm packages when the lockfile has changed since they were installed.
install_packages() {
  local stamp=$root/node_modules/.microedge-lock
  if cmp -s "$root/package-lock.json" "$stamp"; then return; fi
  command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or later with npm" >&2; exit 1; }
  say "installing the npm packages (npm ci)"
  (cd "$root" && npm ci --no-audit --no-fund >&2)
  cp "$root/package-lock.json" "$stamp"
}

# Installs Debian packages that bring the given commands: "command:package" each. Only root may; for
# others, and elsewhere than on Debian, it says what is missing and returns 1.
install_commands() {
  local missing=() pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "missing: ${missing[*]} (as root: apt-get install ${missing[*]})"
    return 1
  fi
  say "installing Debian packages: ${missing[*]}"
  apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}
