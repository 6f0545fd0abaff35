#!/usr/bin/env bash
# Copies the committed code to every host of a TPU and installs its packages there; run it again after a change.
#
#     bash launch/tpu_vm/setup.sh --name=hbt --zone=us-west4-a
#
# --name, --zone   of the queued resource
# --project        by default gcloud's
# --dry_run        print every command, run none
source "$(dirname "$0")/gcloud.sh"

options "name zone" "" "$@"
may_exist
[ -z "$(git -C "$ROOT" status --porcelain 2>/dev/null)" ] || echo "warning: only what is committed is copied" >&2
install || fail 1 "$problem"
