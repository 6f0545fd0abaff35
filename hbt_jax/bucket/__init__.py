"""Runs and results whose folder is in a bucket of Google Cloud Storage, gs://BUCKET/FOLDER, without a shared mount."""
