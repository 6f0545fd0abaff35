"""The local object store for the tests of this folder."""

from tests.bucket.object_store import files, store  # noqa: F401 - fixtures
