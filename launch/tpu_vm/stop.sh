#!/usr/bin/env bash
# Stops the command on every host of a TPU: training saves first, and the same command resumes it.
#
#     bash launch/tpu_vm/stop.sh --name=hbt --zone=us-west4-a
#
# --name, --zone   of the queued resource
# --project        by default gcloud's
# --dry_run        print every command, run none
source "$(dirname "$0")/gcloud.sh"

options "name zone" "" "$@"
may_exist
stop || fail 1 "$problem"
say "stopped"
