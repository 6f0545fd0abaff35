#!/usr/bin/env bash
# Deletes a TPU: the queued resource and all its hosts with what is on their disks.
#
#     bash launch/tpu_vm/delete.sh --name=hbt --zone=us-west4-a
#
# --name, --zone   of the queued resource
# --project        by default gcloud's
# --dry_run        print every command, run none
source "$(dirname "$0")/gcloud.sh"

options "name zone" "" "$@"
billed="$name may be billed: gcloud compute tpus queued-resources list --zone=$zone${project:+ --project=$project}"
remove
say "$name is deleted"
