#!/usr/bin/env bash
# Creates a TPU as a queued resource and waits until it is ready; run it again to keep waiting.
#
#     bash launch/tpu_vm/create.sh --name=hbt --zone=us-west4-a --accelerator=v5e-16 --spot
#
# --name, --zone        of the queued resource
# --accelerator         such as v4-32, v5e-16, v5p-32 or v6e-16: a slice
# --slices=1            how many slices train together
# --spot                cheaper, but may be preempted; see resume.sh
# --reserved            from your reservation
# --runtime             software of the hosts; by default what Cloud TPU advises for JAX on this accelerator
# --service_account     whose permissions the hosts have (such as to your bucket); by default the project's
# --wait_minutes=1440   how long to wait for it
# --poll_seconds=20     between two checks of its state
# --project             by default gcloud's
# --dry_run             print every command, run none
source "$(dirname "$0")/gcloud.sh"

options "name zone accelerator" "slices spot reserved runtime service_account wait_minutes poll_seconds" "$@"
check_accelerator
[ -n "$dry_run" ] || look
if [ -n "$dry_run" ] || [ "$state" = MISSING ]; then
  request
else
  echo "$name exists already and is $state"
fi
wait_until_active || fail 1 "$problem"
say "$name is ready"
