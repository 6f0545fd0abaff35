# Functions of the commands in this folder, which source this file.  A TPU is a queued resource of Cloud TPU: one slice,
# or several that train together (multislice), each with one or more hosts ("workers").
# Exit codes: 0 done, 2 bad options, 3 stopped by a signal, 1 anything else; in each case one line says what happened.
# shellcheck shell=bash disable=SC2034,SC2154 # options become variables, see `options`
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORKER='bash hbt_jax/launch/tpu_vm/worker.sh' # on a host, in its home folder
ENDED=100 # `worker.sh follow` adds this to the exit code of the command; smaller ones come from gcloud

problem='' # why a function returned false
billed='' # while a queued resource may exist, how to delete it

fail() { # CODE TEXT: ends the command with one line
  echo "error: $2${billed:+; $billed}" >&2
  exit "$1"
}

stopped() {
  fail 3 "stopped by a signal"
}

may_exist() { # from now on every failure says that something may be billed
  billed="$name is not deleted and may be billed: bash launch/tpu_vm/delete.sh --name=$name --zone=$zone${project:+ --project=$project}"
}

options() { # REQUIRED OPTIONAL ARGUMENT...: sets a variable for each option, and `command` to what follows --
  local required=$1 known="$1 $2 project dry_run" option value
  shift 2
  for option in $known; do [ -n "${!option:-}" ] || declare -g "$option="; done
  command=()
  while [ $# -gt 0 ]; do
    option=${1%%=*} option=${option#--} value=${1#*=}
    case $1 in
      --) command=("${@:2}") && break ;;
      -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" && exit 0 ;;
      --dry_run | --spot | --reserved | --detach | --delete_after) value=yes ;;
      --*=?*) ;;
      *) fail 2 "unexpected argument $1: options are written --NAME=VALUE, and the command to run stands after --" ;;
    esac
    [[ " $known " == *" $option "* ]] || fail 2 "unknown option --$option: expected $(listed "$known")"
    declare -g "$option=$value"
    shift
  done
  for option in $required; do
    [ "$option" = command ] || [ -n "${!option}" ] || fail 2 "--$option is needed: --help lists the options"
  done
  [[ " $required " != *" command "* ]] || [ ${#command[@]} -gt 0 ] || fail 2 "a command is needed after --"
  check_options "$known"
}

listed() { # NAMES: as options
  local option
  for option in $1; do [ "$option" = command ] || printf -- '--%s ' "$option"; done | sed 's/ $//'
}

check_options() { # NAMES
  local option
  [[ $name =~ ^[a-z]([-a-z0-9]{0,58}[a-z0-9])?$ ]] ||
    fail 2 "--name=$name: expected at most 60 lower-case letters, digits and hyphens, a letter first"
  for option in slices wait_minutes attempts poll_seconds node worker; do
    [[ " $1 " != *" $option "* ]] || [[ ${!option} =~ ^[0-9]{1,6}$ ]] ||
      fail 2 "--$option=${!option}: expected a whole number"
  done
  [ -n "$dry_run" ] || type -P gcloud >/dev/null || fail 2 "gcloud is not installed: see cloud.google.com/sdk"
}

shown() { # WORD...: a command that can be pasted into a shell
  local word line=''
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./:=,@+-]+$ ]] || word=${word@Q}
    line+=" $word"
  done
  echo "${line# }"
}

run() { # WORD...: runs a command, or prints it if --dry_run is given
  if [ -n "$dry_run" ]; then shown "$@"; else "$@"; fi
}

queued() { # VERB WORD...: gcloud's command for queued resources, in our zone
  run gcloud compute tpus queued-resources "$@" --zone="$zone" ${project:+"--project=$project"} --quiet
}

said_last() { # TEXT: its last line that is not empty
  sed '/^[[:space:]]*$/d' <<<"$1" | tail -n 1
}

must() { # WHAT COMMAND...: if the command fails, ends with one line that quotes the last line of its output
  local said code=0
  { said=$("${@:2}" 2>&1 1>&3) || code=$?; } 3>&1
  [ "$code" = 0 ] || fail 1 "cannot $1 (exit code $code): $(said_last "$said")"
}

say() { # TEXT
  [ -n "$dry_run" ] || echo "$1${billed:+; $billed}"
}

pause() { # between two looks; a signal ends it at once
  sleep "$poll_seconds" >/dev/null 2>&1 &
  wait "$!"
}

look() { # sets `state` to the state of the queued resource, MISSING if there is none
  local said look
  if [ -n "$dry_run" ]; then
    queued describe "$name" "--format=value(state.state)"
    state=ACTIVE
    return
  fi
  for look in 1 2 3; do # a look that fails must not end a wait of hours
    [ "$look" = 1 ] || pause
    said=$(queued describe "$name" "--format=value(state.state)" 2>&1) && state=$(said_last "$said") && may_exist && return
    [[ $said != *NOT_FOUND* ]] || { state=MISSING billed='' && return; }
  done
  fail 1 "cannot look up the state of $name: $(said_last "$said")"
}

runtime_of() { # ACCELERATOR: the software of its hosts
  case $1 in
    v2-* | v3-* | v4-*) echo tpu-ubuntu2204-base ;;
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v6e-*) echo v2-alpha-tpuv6e ;;
    *) return 1 ;;
  esac
}

check_accelerator() {
  accelerator=${accelerator/#v5e-/v5litepod-} # gcloud's name
  [ -n "$runtime" ] || runtime=$(runtime_of "$accelerator") ||
    fail 2 "--accelerator=$accelerator: expected one like v4-32, v5e-16, v5p-32 or v6e-16, or --runtime=VERSION beside it"
  [ -z "$spot" ] || [ -z "$reserved" ] || fail 2 "--spot and --reserved exclude each other"
}

request() { # asks for the queued resource
  local nodes=("--node-id=$name")
  [ "$slices" -le 1 ] || nodes=("--node-count=$slices" "--node-prefix=$name")
  may_exist # also if gcloud fails: it may have lost the answer
  must "create $name" queued create "$name" --accelerator-type="$accelerator" --runtime-version="$runtime" \
    "${nodes[@]}" ${spot:+--spot} ${reserved:+--reserved} ${service_account:+"--service-account=$service_account"}
}

wait_until_active() { # false if it will not become so
  local until=$((SECONDS + 60 * wait_minutes))
  while look && [ "$state" != ACTIVE ]; do
    case $state in
      MISSING | FAILED | SUSPENDING | SUSPENDED | DELETING) problem="$name is $state, not ACTIVE" && return 1 ;;
    esac
    [ "$SECONDS" -lt "$until" ] ||
      fail 1 "$name is still $state after $wait_minutes minutes and stays in the queue: run the command again to wait"
    pause
  done
}

remove() { # deletes the queued resource with its hosts
  must "delete $name" queued delete "$name" --force
  billed=''
}

on_all() { # WHAT ssh|scp WORD...: on every host of every slice, showing what they print; false with `problem` set
  local said code=0
  [ -n "$dry_run" ] || said=$(mktemp)
  { queued "${@:2}" --node=all --worker=all 2>&1 1>&3 | tee "${said:-/dev/null}" >&2 || code=$?; } 3>&1
  [ -z "$dry_run" ] || return 0
  ! grep -q 'Could not prepare all' "$said" || code=1 # gcloud goes on without these slices, and ends with 0
  rm -f "$said"
  [ "$code" = 0 ] || { problem="cannot $1 on every host of $name (exit code $code; see above)" && return 1; }
}

install() { # the committed code and its packages, on every host; false if it cannot
  local archive=${TMPDIR:-/tmp}/hbt_jax-$name.tar.gz
  must "pack the code" run git -C "$ROOT" archive --output="$archive" HEAD
  on_all "copy the code" scp "$archive" "$name:hbt_jax.tar.gz" || return 1
  run rm -f "$archive"
  on_all "install" ssh "$name" --command="mkdir -p hbt_jax && tar -xzf hbt_jax.tar.gz -C hbt_jax && $WORKER setup"
}

start() { # COMMAND...: starts it on every host; it goes on without this machine
  on_all "start the command" ssh "$name" --command="$WORKER start $(shown "$@")"
}

stop() { # the command, on every host
  on_all "stop the command" ssh "$name" --command="$WORKER stop"
}

follow() { # NODE WORKER: shows the log of a host until the command ends; sets `code` to its exit code, empty if unknown
  code=0
  queued ssh "$name" --node="$1" --worker="$2" --command="$WORKER follow" || code=$?
  if [ -n "$dry_run" ]; then code=0; elif [ "$code" -ge "$ENDED" ]; then code=$((code - ENDED)); else code=''; fi
}

unset name zone project accelerator service_account runtime spot reserved detach delete_after dry_run # the environment's
slices=1 wait_minutes=1440 poll_seconds=20 attempts=20 node=0 worker=0 # options that are not empty by default
trap stopped INT TERM
