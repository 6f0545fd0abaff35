"""The commands of launch/tpu_vm: what they would run, and what they say and leave when a step of gcloud fails.

`gcloud` is a stand-in on PATH that keeps the state of one queued resource in a file and can be told to fail; the hosts'
own script, worker.sh, runs for real.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "launch" / "tpu_vm"
HERE = ("--name=hbt", "--zone=us-west4-a")
CREATED = (*HERE, "--accelerator=v5e-16", "--poll_seconds=0")
COMMAND = ("--", "python", "launch/train.py", "--coordinator=auto", "--query_prefix=query: ")
DELETE = "bash launch/tpu_vm/delete.sh --name=hbt --zone=us-west4-a"
STAND_IN = r"""#!/usr/bin/env bash
cd "$(dirname "$0")"
echo "$*" >>calls
step=$4
for part in setup start follow stop; do [[ $* != *"worker.sh $part"* ]] || step=$part; done
if [ "$step" = "$(cat fails 2>/dev/null)" ]; then
  printf 'Some progress...\nERROR: (gcloud) %s is broken\n\n' "$step" >&2
  exit 1
fi
case $step in
  describe)
    [ -f state ] || { echo "ERROR: (gcloud) NOT_FOUND: Requested entity was not found." >&2 && exit 1; }
    cat state
    ;;
  create) cp becomes state ;;
  delete) rm -f state ;;
  start) [ ! -f unprepared ] || echo "WARNING: Could not prepare all 2 nodes, attempting to ssh into the rest." >&2 ;;
  follow)
    read -r code <codes
    sed -i 1d codes
    [ "$code" != preempted ] || { echo SUSPENDED >state && exit 1; }
    exit "$code"
    ;;
esac
"""


class Cloud:
    """The stand-in's folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "gcloud").write_text(STAND_IN, encoding="utf-8")
        (folder / "gcloud").chmod(0o755)
        self.put(becomes="ACTIVE")

    def put(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(f"{text}\n", encoding="utf-8")

    @property
    def exists(self) -> bool:
        return (self.folder / "state").exists()

    def steps(self) -> list[str]:
        """What was called: describe, create, ..., and for ssh what the host was told."""
        calls = self.folder / "calls"
        lines = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        return [line.partition("worker.sh ")[2].partition(" ")[0] or line.split()[3] for line in lines]

    def start(self, script: str, *arguments: str, path: str | None = None) -> subprocess.Popen:
        environment = {**os.environ, "PATH": path or f"{self.folder}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.Popen(
            ["/bin/bash", str(FOLDER / f"{script}.sh"), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
            env=environment | {"TMPDIR": str(self.folder), "project": "no option"},
        )  # fmt: skip

    def run(self, script: str, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess:
        with self.start(script, *arguments, path=path) as process:
            said = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, *said)


@pytest.fixture
def cloud(tmp_path):
    return Cloud(tmp_path)


def one_line(ended: subprocess.CompletedProcess, code: int) -> str:
    """The only line of ours that says what went wrong."""
    assert ended.returncode == code, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and ended.stderr.splitlines()[-1] == lines[0], ended.stderr
    return lines[0]


def gcloud(verb: str, *words: str) -> str:
    return " ".join(["gcloud compute tpus queued-resources", verb, *words, "--zone=us-west4-a --quiet"])


def ssh(hosts: str, command: str) -> str:
    every = f"--node={hosts} --worker={hosts}"
    words = ["hbt", f"--command={command}".replace("'", "'\\''")]
    given = f"'{words[1]}'"
    return gcloud("ssh", "hbt", *([given, every] if hosts == "all" else [every, given]))


LOOK = gcloud("describe", "hbt", "'--format=value(state.state)'")
DELETED = gcloud("delete", "hbt", "--force")
FOLLOW = ssh("0", "bash hbt_jax/launch/tpu_vm/worker.sh follow")
START = ssh(
    "all",
    "bash hbt_jax/launch/tpu_vm/worker.sh start python launch/train.py --coordinator=auto '--query_prefix=query: '",
)


def created(*nodes: str, version: str = "v2-alpha-tpuv5-lite", accelerator: str = "v5litepod-16") -> str:
    return gcloud("create", "hbt", f"--accelerator-type={accelerator} --runtime-version={version}", *nodes)


def installed(folder: Path) -> list[str]:
    archive = folder / "hbt_jax-hbt.tar.gz"
    return [
        f"git -C {ROOT} archive --output={archive} HEAD",
        gcloud("scp", str(archive), "hbt:hbt_jax.tar.gz --node=all --worker=all"),
        f"rm -f {archive}",
        ssh(
            "all",
            "mkdir -p hbt_jax && tar -xzf hbt_jax.tar.gz -C hbt_jax && bash hbt_jax/launch/tpu_vm/worker.sh setup",
        ),
    ]


@pytest.mark.parametrize(
    ("script", "arguments", "expected"),
    [
        ("create", CREATED, [created("--node-id=hbt"), LOOK]),
        ("create", (*CREATED, "--slices=1", "--spot"), [created("--node-id=hbt --spot"), LOOK]),
        ("create", (*CREATED, "--slices=4"), [created("--node-count=4 --node-prefix=hbt"), LOOK]),
        (
            "create",
            (*HERE, "--accelerator=v4-32", "--reserved", "--service_account=a@b.com"),
            [
                created(
                    "--node-id=hbt --reserved --service-account=a@b.com",
                    version="tpu-ubuntu2204-base",
                    accelerator="v4-32",
                ),
                LOOK,
            ],
        ),
        ("run", (*HERE, *COMMAND), [START, FOLLOW]),
        ("run", (*HERE, "--detach", *COMMAND), [START]),
        ("logs", (*HERE, "--node=0", "--worker=0"), [FOLLOW]),
        ("stop", HERE, [ssh("all", "bash hbt_jax/launch/tpu_vm/worker.sh stop")]),
        ("delete", HERE, [DELETED]),
    ],
)
def test_a_dry_run_prints_every_command_and_runs_none(cloud, script, arguments, expected):
    ended = cloud.run(script, *arguments[:2], "--dry_run", *arguments[2:])
    assert (ended.returncode, ended.stdout.splitlines(), ended.stderr) == (0, expected, "")
    assert cloud.steps() == []


def test_a_dry_run_of_the_set_up_and_of_the_loop(cloud):
    once = cloud.run("setup", *HERE, "--dry_run")
    assert once.stdout.splitlines() == installed(cloud.folder)
    loop = cloud.run("resume", *CREATED, "--spot", "--slices=2", "--attempts=7", "--dry_run", *COMMAND)
    assert loop.stdout.splitlines() == [
        LOOK,
        created("--node-count=2 --node-prefix=hbt --spot"),
        LOOK,
        *installed(cloud.folder),
        START,
        FOLLOW,
        "# if the TPU is preempted, this, and all of it again (at most 7 times):",
        DELETED,
    ]
    assert (once.returncode, loop.returncode, cloud.steps()) == (0, 0, [])


def test_a_project_is_passed_on(cloud):
    ended = cloud.run("delete", *HERE, "--project=mine", "--dry_run")
    assert ended.stdout == f"{DELETED.replace(' --quiet', ' --project=mine --quiet')}\n"


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        *[(path.stem, ["--zone=z"], "--name is needed") for path in sorted(FOLDER.glob("*.sh"))
          if path.stem not in ("gcloud", "worker")],
        ("create", HERE, "--accelerator is needed: --help lists the options"),
        ("run", HERE, "a command is needed after --"),
        ("run", [*HERE, "python"], "unexpected argument python: options are written --NAME=VALUE, and the command"),
        ("delete", [*HERE, "--spot"], "unknown option --spot: expected --name --zone --project --dry_run"),
        ("delete", ["--name=Hbt", "--zone=z"], "--name=Hbt: expected at most 60 lower-case letters"),
        ("create", [*HERE, "--accelerator=h100"], "--accelerator=h100: expected one like v4-32, v5e-16"),
        ("create", [*CREATED, "--spot", "--reserved"], "--spot and --reserved exclude each other"),
        ("create", [*CREATED, "--slices=two"], "--slices=two: expected a whole number"),
    ],
)  # fmt: skip
def test_bad_options_are_one_line(cloud, script, arguments, said):
    assert one_line(cloud.run(script, *arguments), 2).startswith(f"error: {said}")
    assert cloud.steps() == []


def test_without_gcloud(cloud):
    for tool in ("dirname", "sed"):
        (cloud.folder / "bin").mkdir(exist_ok=True)
        (cloud.folder / "bin" / tool).symlink_to(f"/usr/bin/{tool}")
    assert "gcloud is not installed" in one_line(cloud.run("delete", *HERE, path=str(cloud.folder / "bin")), 2)


def test_help_is_the_description(cloud):
    said = cloud.run("resume", "--help").stdout
    assert said.startswith("Runs a command on a TPU until it is done") and "--attempts=20" in said


LOOP = ("--attempts=2", *COMMAND)


@pytest.mark.parametrize(
    ("script", "arguments", "fails", "said"),
    [
        ("create", CREATED, "describe", "cannot look up the state of hbt: ERROR: (gcloud) describe is broken"),
        ("create", CREATED, "create", "cannot create hbt (exit code 1): ERROR: (gcloud) create is broken"),
        ("setup", HERE, "scp", "cannot copy the code on every host of hbt (exit code 1; see above)"),
        ("setup", HERE, "setup", "cannot install on every host of hbt (exit code 1; see above)"),
        ("run", (*HERE, *COMMAND), "start", "cannot start the command on every host of hbt (exit code 1; see above)"),
        ("run", (*HERE, *COMMAND), "follow", "lost the first host of hbt, where the command may still run"),
        ("logs", HERE, "follow", "cannot follow host 0 of slice 0 of hbt"),
        ("stop", HERE, "stop", "cannot stop the command on every host of hbt (exit code 1; see above)"),
        (
            "resume",
            (*CREATED, *LOOP),
            "describe",
            "cannot look up the state of hbt: ERROR: (gcloud) describe is broken",
        ),
        ("resume", (*CREATED, *LOOP), "create", "cannot create hbt (exit code 1): ERROR: (gcloud) create is broken"),
        ("resume", (*CREATED, *LOOP), "scp", "the command was not done after 2 attempts (cannot copy the code on"),
        ("resume", (*CREATED, *LOOP), "setup", "the command was not done after 2 attempts (cannot install on"),
        (
            "resume",
            (*CREATED, *LOOP),
            "start",
            "the command was not done after 2 attempts (cannot start the command on",
        ),
        (
            "resume",
            (*CREATED, *LOOP),
            "follow",
            "the command was not done after 2 attempts (lost the first host of hbt)",
        ),
    ],
)
def test_each_step_that_fails_is_one_line_that_names_what_is_billed(cloud, script, arguments, fails, said):
    cloud.put(fails=fails)
    if script not in ("create", "resume"):
        cloud.put(state="ACTIVE")
    line = one_line(cloud.run(script, *arguments), 1)
    assert line.startswith(f"error: {said}")
    if cloud.exists or fails == "create":  # an answer may have been lost
        assert line.endswith(f"; hbt is not deleted and may be billed: {DELETE}")


def test_a_deletion_that_fails_says_how_to_look(cloud):
    cloud.put(fails="delete", state="ACTIVE")
    line = one_line(cloud.run("delete", *HERE), 1)
    assert line == (
        "error: cannot delete hbt (exit code 1): ERROR: (gcloud) delete is broken; hbt may be billed:"
        " gcloud compute tpus queued-resources list --zone=us-west4-a"
    )
    cloud.put(codes="100")
    line = one_line(cloud.run("resume", *CREATED, "--delete_after", *COMMAND), 1)
    assert line.startswith("error: cannot delete hbt") and line.endswith(DELETE)


@pytest.mark.parametrize("state", ["FAILED", "SUSPENDED"])
def test_a_request_that_is_not_granted_is_named(cloud, state):
    cloud.put(becomes=state)
    assert one_line(cloud.run("create", *CREATED), 1).startswith(
        f"error: hbt is {state}, not ACTIVE; hbt is not deleted"
    )


def test_a_wait_that_is_too_long_ends_and_can_be_taken_up(cloud):
    cloud.put(becomes="WAITING_FOR_RESOURCES")
    line = one_line(cloud.run("create", *CREATED, "--wait_minutes=0"), 1)
    assert "still WAITING_FOR_RESOURCES after 0 minutes and stays in the queue" in line and line.endswith(DELETE)
    cloud.put(state="ACTIVE")
    again = cloud.run("create", *CREATED)
    assert again.stdout.splitlines()[0] == "hbt exists already and is ACTIVE"
    assert cloud.steps().count("create") == 1


def test_a_signal_while_waiting_names_what_is_billed(cloud):
    cloud.put(becomes="WAITING_FOR_RESOURCES")
    waiting = cloud.start("create", *CREATED[:-1], "--poll_seconds=60")
    while cloud.steps()[-2:] != ["create", "describe"]:
        time.sleep(0.05)
    time.sleep(0.2)
    waiting.terminate()
    _, said = waiting.communicate(timeout=10)
    assert (waiting.returncode, said) == (
        3,
        f"error: stopped by a signal; hbt is not deleted and may be billed: {DELETE}\n",
    )


def test_a_slice_that_gcloud_leaves_out_is_a_failure(cloud):
    cloud.put(state="ACTIVE", unprepared="")
    assert "cannot start the command on every host" in one_line(cloud.run("run", *HERE, *COMMAND), 1)


def test_a_preempted_tpu_is_created_again_and_the_same_command_runs_again(cloud):
    cloud.put(codes="preempted\n103\n100")
    ended = cloud.run("resume", *CREATED, "--delete_after", *COMMAND)
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "done"), ended.stderr
    assert not cloud.exists
    once = ["scp", "setup", "start", "follow"]
    before = ["describe", "create", "describe", *once, "describe"]  # the last one finds it suspended
    after = ["describe", "delete", *before, "stop"]  # stopped by a signal: what other hosts run is stopped too
    assert cloud.steps() == [*before, *after, "describe", "describe", *once, "delete"]
    starts = {line for line in (cloud.folder / "calls").read_text().splitlines() if "worker.sh start" in line}
    assert len(starts) == 1
    assert "lost the first host of hbt; hbt is SUSPENDED; attempt 1 of 20" in ended.stderr


@pytest.mark.parametrize(
    ("codes", "code", "said", "starts"),
    [
        ("102", 2, "the command ended with exit code 2, which another attempt would not change", 1),
        ("101\n101", 1, "the command failed twice on a TPU that was not preempted", 2),
        ("103\n103\n103", 1, "the command was not done after 3 attempts (the command ended with exit code 3)", 3),
    ],
)
def test_the_loop_ends_where_another_attempt_is_no_use(cloud, codes, code, said, starts):
    cloud.put(codes=codes)
    line = one_line(cloud.run("resume", *CREATED, "--attempts=3", *COMMAND), code)
    assert line == f"error: {said}; hbt is not deleted and may be billed: {DELETE}"
    assert cloud.steps().count("start") == starts


def test_the_exit_code_of_a_run_is_the_commands(cloud):
    cloud.put(state="ACTIVE", codes="103")
    assert "the command ended with exit code 3; hbt is not deleted" in one_line(cloud.run("run", *HERE, *COMMAND), 3)


class Host:
    """A host of a TPU: a home folder with worker.sh."""

    def __init__(self, home: Path):
        self.home, self.script = home, home / "hbt_jax" / "launch" / "tpu_vm" / "worker.sh"
        self.script.parent.mkdir(parents=True)
        self.script.write_text((FOLDER / "worker.sh").read_text(encoding="utf-8"), encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", str(self.script), *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd=self.home,
        )


@pytest.fixture
def host(tmp_path):
    one = Host(tmp_path)
    yield one
    one.run("stop")


def test_a_host_runs_a_command_once_and_tells_its_exit_code(host):
    assert host.run("follow").stderr.endswith("no command was started\n")
    slow = ("start", "bash", "-c", "echo begun; sleep 1; echo 'the end'; exit 2")
    assert host.run(*slow).stdout.endswith(": started\n")
    assert host.run(*slow).stdout.endswith(": already running\n")
    other = host.run("start", "true")
    assert (other.returncode, "another command runs: 'bash' '-c'" in other.stderr) == (1, True)
    followed = host.run("follow")
    assert (followed.returncode, followed.stdout) == (102, "begun\nthe end\n")
    assert host.run("start", "true").stdout.endswith(": started\n")
    assert host.run("follow").returncode == 100


def test_a_stopped_command_may_save_first(host):
    saving = "trap 'echo saved; exit 3' TERM; echo begun; while :; do sleep 0.1; done"
    host.run("start", "bash", "-c", saving)
    while "begun" not in (host.home / "hbt_jax_run" / "log").read_text():
        time.sleep(0.05)
    assert host.run("stop").stdout.endswith(": stopped\n")
    followed = host.run("follow")
    assert (followed.returncode, followed.stdout.splitlines()[-1]) == (103, "saved")


def test_a_killed_command_is_told_from_one_that_ended(host):
    host.run("start", "bash", "-c", "kill -KILL 0")
    followed = host.run("follow")
    assert followed.returncode == 101 and "the command was killed" in followed.stderr
