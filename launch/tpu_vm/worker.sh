#!/usr/bin/env bash
# What a host of a TPU does for the commands in this folder; it runs in the home folder, next to hbt_jax.
#
# setup             installs the packages, with Python 3.11 whatever the host has
# start COMMAND...  starts a command; does nothing if the same command is already running
# follow            shows its log until it ends; exit code 100 + its own (gcloud's own exit codes are smaller)
# stop              stops it: SIGTERM, and SIGKILL after two minutes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
state=../hbt_jax_run # holds command, session, log and code
mkdir -p "$state"

boot() { cat /proc/sys/kernel/random/boot_id; }

running() { # whether the session of the last start is alive
  local session started
  [ -f "$state/session" ] && read -r session started <"$state/session" &&
    [ "$started" = "$(boot)" ] && kill -0 -- "-$session" 2>/dev/null
}

setup() {
  python3 -m pip install --quiet --user uv
  [ -x .venv/bin/python ] || python3 -m uv venv --quiet --python=3.11 .venv
  python3 -m uv pip install --quiet --python=.venv/bin/python -c constraints.txt -e '.[tpu,gcs]'
  echo "$(hostname): installed"
}

start() {
  if running; then
    [ "$(cat "$state/command")" = "${*@Q}" ] && echo "$(hostname): already running" && return
    echo "error: $(hostname): another command runs: $(cat "$state/command"): stop.sh stops it" >&2
    exit 1
  fi
  echo "${*@Q}" >"$state/command"
  rm -f "$state/code"
  [ ! -f "$state/log" ] || mv "$state/log" "$state/log.before"
  # The trap keeps this shell alive until the command, which gets the signal too, has ended.
  setsid bash -c 'trap : TERM; [ ! -d .venv ] || . .venv/bin/activate; code=0; "${@:2}" || code=$?
    echo "$code" >"$1/code.new" && mv "$1/code.new" "$1/code"' - "$state" "$@" >"$state/log" 2>&1 </dev/null &
  echo "$! $(boot)" >"$state/session"
  echo "$(hostname): started"
}

follow() {
  [ -f "$state/session" ] || { echo "error: $(hostname): no command was started" >&2 && exit 1; }
  if running; then
    tail -n +1 --follow --pid="$(cut -d ' ' -f 1 "$state/session")" "$state/log"
  else
    cat "$state/log"
  fi
  [ -f "$state/code" ] || { echo "error: $(hostname): the command was killed" >&2 && exit 101; }
  exit $((100 + $(cat "$state/code")))
}

stop() {
  running || return 0
  local session
  session=$(cut -d ' ' -f 1 "$state/session")
  kill -TERM -- "-$session"
  for ((i = 0; i < 120; i++)); do
    running || { echo "$(hostname): stopped" && return; }
    sleep 1
  done
  kill -KILL -- "-$session"
  echo "$(hostname): killed after two minutes"
}

"$@"
