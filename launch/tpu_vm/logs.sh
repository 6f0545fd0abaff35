#!/usr/bin/env bash
# Shows the log of a host of a TPU until the command that run.sh or resume.sh started there ends, with its exit code.
#
#     bash launch/tpu_vm/logs.sh --name=hbt --zone=us-west4-a
#
# --name, --zone   of the queued resource
# --node=0         which slice
# --worker=0       which host of it
# --project        by default gcloud's
# --dry_run        print every command, run none
source "$(dirname "$0")/gcloud.sh"

options "name zone" "node worker" "$@"
may_exist
follow "$node" "$worker"
[ -n "$code" ] || fail 1 "cannot follow host $worker of slice $node of $name"
[ "$code" = 0 ] || fail "$code" "the command ended with exit code $code"
