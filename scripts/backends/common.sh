# What the scripts beside this one share: each sets `name`, `variable`, `server` (the program),
# `package` (of Debian), defines `launch FOLDER PORT` and `address FOLDER` (prints the URL once
# the server answers, or fails), and ends with `main "$@"`.
set -euo pipefail

say() { echo "$name: $*" >&2; }
fail() { say "$@"; exit 1; }

alive() { # whether the process in the folder's file is there, and is ours: it works in there
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null &&
    [[ "$(readlink "/proc/$pid/cwd")/" == "$1"/* ]]
}

install() {
  command -v "$server" >/dev/null && return
  command -v apt-get >/dev/null || fail "there is no $server, and no apt-get to install it"
  [ "$(id -u)" = 0 ] || fail "there is no $server: install Debian's $package"
  say "installing $package"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$package"; } >&2 </dev/null
}

free_port() { # below the range from which the system takes the ports of clients
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  fail "no port is free"
}

start() {
  local folder=$1 port
  install
  mkdir -p "$folder"
  chmod 700 "$folder"
  # A port that it had stays its own, so that what knows the URL finds it after a restart.
  port=$(cat "$folder/port" 2>/dev/null) || port=$(free_port)
  echo "$port" >"$folder/port"
  alive "$folder" || launch "$folder" "$port"
  for _ in $(seq 300); do
    address "$folder" "$port" && return
    sleep 0.1
  done
  fail "it did not start: $folder/error.log says why"
}

stop() {
  local folder=$1 pid
  alive "$folder" || return 0
  pid=$(cat "$folder/pid")
  kill -CONT "$pid"
  kill "$pid"
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -9 "$pid"
}

run() { # in memory where it can be: tests ask what a server keeps, not what a disk does
  local place=/dev/shm url
  [ -w "$place" ] || place=${TMPDIR:-/tmp}
  own=$(mktemp -d "$place/sunwire-$name-XXXXXX")
  trap 'stop "$own"; rm -rf "$own"' EXIT
  url=$(start "$own")
  export "$variable=$url"
  "$@"
}

main() {
  local folder=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/sunwire/$name}
  case ${1:-} in
  start | stop) "$1" "$(realpath -m "$folder")" ;;
  run) run "${@:2}" ;;
  *) fail "say start, stop or run: the head of $0 says how" ;;
  esac
}
