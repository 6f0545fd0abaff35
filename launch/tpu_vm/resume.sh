#!/usr/bin/env bash
# Runs a command on a TPU until it is done: creates the TPU if there is none, and after a preemption deletes what is left
# of it, creates another and runs the same command, which resumes from its --workdir in a bucket.
#
#     bash launch/tpu_vm/resume.sh --name=hbt --zone=us-west4-a --accelerator=v5e-16 --spot --delete_after \
#       -- python launch/train.py --coordinator=auto --workdir=gs://BUCKET/RUN ...
#
# It can itself be stopped and run again: it then follows the command that still runs.  The exit code is the command's.
#
# --attempts=20         at most how many times the command is started
# --delete_after        delete the TPU when the command has ended, done or not
# --name --zone --accelerator --slices --spot --reserved --runtime --service_account --wait_minutes --poll_seconds
# --project --dry_run   as for create.sh
source "$(dirname "$0")/gcloud.sh"

end() { # CODE TEXT: the last thing: deletes the TPU if asked to
  [ -z "$delete_after" ] || remove
  [ "$1" = 0 ] || fail "$1" "$2"
  say "$2"
  exit 0
}

make_ready() { # gives `name` hosts with the code on them; false if they were lost meanwhile
  look
  case $state in
    SUSPENDING | SUSPENDED | FAILED | DELETING)
      echo "$name is $state: another one is created" >&2
      [ "$state" = DELETING ] || remove
      while look && [ "$state" != MISSING ]; do pause; done
      ;;
  esac
  if [ "$state" = MISSING ] || [ -n "$dry_run" ]; then request; fi
  wait_until_active && install
}

options "name zone accelerator command" \
  "slices spot reserved runtime service_account wait_minutes poll_seconds attempts delete_after" "$@"
check_accelerator
failures=0 # of the command itself, in a row, on a TPU that is still there
for ((attempt = 1; attempt <= attempts; attempt++)); do
  problem='' code=''
  if make_ready && start "${command[@]}"; then
    follow 0 0
    problem="lost the first host of $name"
  fi
  if [ -n "$dry_run" ]; then
    echo "# if the TPU is preempted, this, and all of it again (at most $attempts times):"
    remove
    break
  fi
  case $code in
    0) end 0 "done" ;;
    2) end 2 "the command ended with exit code 2, which another attempt would not change" ;;
    "") ;;
    *) problem="the command ended with exit code $code" ;;
  esac
  pause # a preemption may be known to the hosts first
  look
  echo "$problem; $name is $state; attempt $attempt of $attempts" >&2
  if [ "$code" = 1 ] && [ "$state" = ACTIVE ]; then failures=$((failures + 1)); else failures=0; fi
  [ "$failures" -lt 2 ] || end 1 "the command failed twice on a TPU that was not preempted"
  if [ -n "$code" ] && [ "$state" = ACTIVE ]; then
    stop || echo "$problem" >&2 # what other hosts still run
  fi
done
[ -n "$dry_run" ] || end 1 "the command was not done after $attempts attempts (${problem:-})"
