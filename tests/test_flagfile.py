"""Flag files: what stands in quotes is kept whole, and existing files mean what they meant to absl."""

import shlex

import pytest
from absl import flags

from hbt_jax.errors import InputError
from hbt_jax.flagfile import expanded, quoted

VALUES = {"steps", "query_prefix", "stores", "model"}


def arguments(*given: str) -> list[str]:
    return expanded(given, VALUES.__contains__, {"query_prefix"}.__contains__)


@pytest.mark.parametrize(
    ("line", "argument"),
    [
        ('--query_prefix="query: "', "--query_prefix=query: "),
        ("--query_prefix='query: '", "--query_prefix=query: "),
        ("  --query_prefix='  为：  '  ", "--query_prefix=  为：  "),
        ('--query_prefix="it\'s "', "--query_prefix=it's "),
        ("--query_prefix='say \"x\" '", '--query_prefix=say "x" '),
        ("--query_prefix=''", "--query_prefix="),
        ("--query_prefix=", "--query_prefix="),
        ('--stores="a","b"', '--stores="a","b"'),
        ("--model='a", "--model='a"),
        ("--model='", "--model='"),
        ("--steps=3  ", "--steps=3"),
        ("--query_prefix=\\n$HOME", "--query_prefix=\\n$HOME"),
        ("--nolora\r", "--nolora"),
    ],
)
def test_a_line(tmp_path, line, argument):
    file = tmp_path / "some.flags"
    file.write_bytes(f"# comment\n// comment\n\n{line}\n".encode())
    assert arguments(f"--flagfile={file}") == [argument]


@pytest.mark.parametrize("prefix", ["query: ", "it's ", 'say "x": ', "为这个句子：", " a  ", "", "$HOME `x` \\ "])
def test_what_is_quoted_says_the_same_in_a_shell_and_in_a_flag_file(tmp_path, prefix):
    line = quoted("query_prefix", prefix)
    (tmp_path / "some.flags").write_text(f"{line}\n", encoding="utf-8")
    assert arguments(f"--flagfile={tmp_path}/some.flags") == [f"--query_prefix={prefix}"]
    assert shlex.split(line) == [f"--query_prefix={prefix}"]


def test_a_space_that_would_be_lost_is_told_and_the_advice_works(tmp_path):
    file = tmp_path / "some.flags"
    file.write_text("--steps=3 \n--query_prefix=query: \n")
    with pytest.raises(
        InputError, match=r"some.flags:2: the space at the end of --query_prefix=query: would be lost: "
    ) as told:
        arguments(f"--flagfile={file}")
    advice = str(told.value).split("write ")[1].split(" to keep")[0]
    file.write_text(f"{advice}\n")
    assert arguments(f"--flagfile={file}") == ["--query_prefix=query: "]


@pytest.mark.parametrize(("lines", "number", "written", "argument"), [
    ("--query_prefix\nquery: \n", 1, "--query_prefix='query: '", "--query_prefix=query: "),
    ("--lora\n\n -query_prefix  \r\n  为：  \r\n--steps=3", 3, "--query_prefix='  为：  '", "--query_prefix=  为：  "),
    ("--query_prefix\nsay \"x\": \n", 1, "--query_prefix='say \"x\": '", '--query_prefix=say "x": '),
    ("--query_prefix query: \n", 1, "--query_prefix='query: '", "--query_prefix=query: "),
    ("--query_prefix = query: \n", 1, "--query_prefix='query: '", "--query_prefix=query: "),
    ("--query_prefix\n--steps=3\n", 1, "--query_prefix='VALUE'", "--query_prefix=VALUE"),
    ("# x\n--query_prefix", 2, "--query_prefix='VALUE'", "--query_prefix=VALUE"),
    ("--query_prefix\n\nquery: \n", 1, "--query_prefix='VALUE'", "--query_prefix=VALUE"),
    ('--query_prefix\n "query: " \n', 1, '--query_prefix="query: "', "--query_prefix=query: "),
    ("--query_prefix\tquery: \n", 1, "--query_prefix='query: '", "--query_prefix=query: "),
    ("--steps\n 3 \n", 1, "--steps=3", "--steps=3"),
    ("--steps 3\n", 1, "--steps=3", "--steps=3"),
    ("--steps =3\n", 1, "--steps=3", "--steps=3"),
    ("--stores a=1 \n", 1, "--stores=a=1", "--stores=a=1"),
    ("--model\n", 1, "--model=VALUE", "--model=VALUE"),
])  # fmt: skip
def test_a_value_that_is_not_on_the_line_of_its_flag_is_told_and_the_advice_works(
    tmp_path, lines, number, written, argument
):
    (tmp_path / "some.flags").write_bytes(lines.encode())
    (tmp_path / "outer.flags").write_text(f"--flagfile={tmp_path}/some.flags\n")
    for file in ("some.flags", "outer.flags"):
        with pytest.raises(InputError) as told:
            arguments(f"--flagfile={tmp_path / file}")
        assert str(told.value).startswith(f"{tmp_path}/some.flags:{number}: -")
        assert str(told.value).endswith(f": write {written}, on one line") and "\n" not in str(told.value)
    (tmp_path / "some.flags").write_text(f"{written}\n", encoding="utf-8")
    assert arguments(f"--flagfile={tmp_path}/some.flags") == [argument]


@pytest.mark.parametrize("line", ["--flagfile\nother.flags\n", "--flagfile other.flags"])
def test_a_file_that_is_not_named_on_the_line_of_its_flag_is_told(tmp_path, line):
    (tmp_path / "some.flags").write_text(line)
    with pytest.raises(InputError, match=r"some.flags:1: --flagfile: .*: write --flagfile=other.flags, on one line"):
        arguments(f"--flagfile={tmp_path}/some.flags")


def test_arguments_that_take_no_value_stand_alone(tmp_path):
    (tmp_path / "some.flags").write_text("--lora\n--nolora\n--unknown\nplace of a store\n--unknown x\n")
    found = ["--lora", "--nolora", "--unknown", "place of a store", "--unknown x"]
    assert arguments(f"--flagfile={tmp_path}/some.flags") == found


def test_files_within_files_and_places(tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    inner.write_text("\ufeff--steps=1\n", encoding="utf-8")
    outer.write_text(f"--model=a\n--flagfile={inner}\n--steps=2")
    found = ["--model=a", "--steps=1", "--steps=2"]
    assert arguments("x", f"--flagfile={outer}", "y") == ["x", *found, "y"]
    assert arguments("--flagfile", str(outer)) == arguments("-flagfile", str(outer)) == found
    assert arguments(f"-flagfile={outer}") == found
    assert arguments("--steps", f"--flagfile={inner}") == ["--steps", "--steps=1"]
    assert arguments("--model", "--flagfile", str(inner)) == ["--model", "--steps=1"]
    assert arguments("--", f"--flagfile={outer}") == ["--", f"--flagfile={outer}"]
    assert arguments("--flagfile=", "--steps=4") == ["--steps=4"]
    inner.write_text(f"--flagfile={outer}\n")
    with pytest.raises(InputError, match=r"outer.flags: includes itself, by way of .*outer.flags and .*inner.flags"):
        arguments(f"--flagfile={outer}")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file or directory: expected a file with one flag"), (b"--model=\xff\n", "not UTF-8 text")],
)
def test_files_that_cannot_be_read(tmp_path, content, message):
    if content is not None:
        (tmp_path / "some.flags").write_bytes(content)
    with pytest.raises(InputError, match=message):
        arguments(f"--flagfile={tmp_path}/some.flags")
    with pytest.raises(InputError, match="--flagfile without a name"):
        arguments("--flagfile")


def test_files_without_quotes_mean_what_they_mean_to_absl(tmp_path):
    known = flags.FlagValues()
    for name in sorted(VALUES):
        flags.DEFINE_string(name, "", "", flag_values=known)
    flags.DEFINE_bool("lora", False, "", flag_values=known)
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    inner.write_text("# one\n--steps=1\n\n  --lora  \n//two\n")
    outer.write_text(f"--model=a b\n--flagfile={inner}\n--query_prefix=query: x\n--stores=a,'b'\n -steps=7\n")
    for given in (
        [f"--flagfile={outer}", "--steps=9"],
        ["x", "--steps", "3", f"--flagfile={outer}"],
        ["--flagfile", str(inner), "--", f"--flagfile={outer}"],
        ["--lora", f"--flagfile={inner}"],
    ):
        assert arguments(*given) == known.read_flags_from_files(given)
