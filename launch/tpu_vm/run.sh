#!/usr/bin/env bash
# Starts a command on every host of a TPU and shows the first host's log until the command ends.
#
#     bash launch/tpu_vm/run.sh --name=hbt --zone=us-west4-a -- python launch/train.py --coordinator=auto ...
#
# The command keeps running if this machine or the connection is lost: run this script again in the same way, or
# logs.sh, to see it.  The exit code is that of the command on the first host.
#
# --name, --zone   of the queued resource
# --detach         do not wait for the end
# --project        by default gcloud's
# --dry_run        print every command, run none
source "$(dirname "$0")/gcloud.sh"

options "name zone command" "detach" "$@"
may_exist
start "${command[@]}" || fail 1 "$problem"
[ -z "$detach" ] || exit 0
follow 0 0
[ -n "$code" ] || fail 1 "lost the first host of $name, where the command may still run: logs.sh shows it"
[ "$code" = 0 ] || fail "$code" "the command ended with exit code $code"
say "done"
