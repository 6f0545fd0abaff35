"""Files of sources that are fetched: whole and as published, or not at all."""

import functools
import hashlib
import http.server
import itertools
import re
import shutil
import threading

import pytest

from data_prep.reading import downloads
from data_prep.reading.downloads import DOWNLOADS, Download
from data_prep.sources import registry
from hbt_jax.errors import InputError
from tests.data_prep.source_rows import FIXTURES


@pytest.fixture
def server(tmp_path):
    """(folder, its address): the folder holds SQuADShifts' files and is served to this machine."""
    folder = shutil.copytree(FIXTURES / "squadshifts", tmp_path / "served")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def published(server, monkeypatch):
    """The folder that is served, its files being the published ones."""
    folder, address = server
    files = tuple(
        Download(f"{address}/{path.name}", f"{kind}:{hashlib.new(kind, path.read_bytes()).hexdigest()}")
        for path, kind in zip(sorted(folder.iterdir()), itertools.cycle(("sha256", "md5")), strict=False)
    )
    monkeypatch.setitem(DOWNLOADS, "squadshifts", files)
    return folder


def test_a_source_without_a_folder_is_fetched_once(published, tmp_path):
    made = registry.builder("squadshifts", "pairs", tmp_path / "raw")
    assert made.info.splits["validation"].num_examples == 3
    folder = tmp_path / "raw" / "downloads" / "squadshifts"
    assert {path.name for path in folder.iterdir()} == {path.name for path in published.iterdir()}
    shutil.rmtree(published)  # from here on only what was fetched is there
    assert len(list(registry.records("squadshifts", "queries", "validation", tmp_path / "raw"))) == 3


@pytest.mark.parametrize(("number", "kind"), [(0, "SHA256"), (1, "MD5")])
def test_a_changed_file_is_not_taken(published, tmp_path, number, kind):
    path = sorted(published.iterdir())[number]
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match=rf"/{path.name}: {kind} hash .* does not match .*name their folder by --inp"):
        downloads.fetched("squadshifts", tmp_path)
    assert len(list(tmp_path.glob("downloads/squadshifts/*"))) == number


def test_a_file_that_cannot_be_reached_is_named(published, tmp_path):
    path = next(iter(sorted(published.iterdir())))
    path.unlink()
    with pytest.raises(
        InputError, match=rf"/{path.name}: 404 .*: run the command again, or download the files of squads"
    ):
        downloads.fetched("squadshifts", tmp_path)


def test_folders_are_needed_for_the_other_sources_only():
    assert registry.settings("squadshifts", input_dir="") == {}
    with pytest.raises(InputError, match="--input_dir is needed for --source=wikiqa"):
        registry.settings("wikiqa", input_dir="")


@pytest.mark.parametrize("source", DOWNLOADS)
def test_the_builder_reads_every_file_that_is_fetched(source, tmp_path):
    for one in DOWNLOADS[source]:
        assert one.url.startswith("https://") and re.fullmatch("sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", one.digest)
        (tmp_path / one.name).touch()
    module, _, name = registry.SOURCES[source].partition(":")
    builder = getattr(__import__(module, fromlist=[name]), name)
    found = builder.find_files(tmp_path)
    assert {path.name for paths in found.values() for path in paths} == {one.name for one in DOWNLOADS[source]}
