"""The command line as people and shells meet it: help, completion, version, wrong words."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

from tests.workers.command_line import AWAY, MILLRACE, child, every_command, millrace

NOUNS = {
    "topology",
    "events",
    "documents",
    "deliveries",
    "failures",
    "jobs",
    "stock",
    "crossrefs",
    "weights",
    "lanes",
    "peak",
    "alerts",
    "settlements",
    "audit",
    "reprioritize",
    "console",
    "runbook",
    "scale",
    "config",
    "db",
}
ROLES = {"up", "receiver", "worker", "relay", "recorder", "flower", "sandbox", "demo", "rehearse", "version"}
MOST_CPU_S = 0.4


@pytest.mark.parametrize("words", [(), *every_command()], ids=" ".join)
def test_every_command_has_help_that_names_it(words: tuple[str, ...]) -> None:
    told = millrace(*words, "--help")

    assert told.code == 0
    assert f"Usage: millrace {' '.join(words)}".strip() in " ".join(told.out.split())


def test_the_nouns_and_roles_are_those_that_are_documented() -> None:
    assert {words[0] for words in every_command()} == NOUNS | ROLES


@pytest.mark.parametrize("words", [w for w in every_command() if len(w) > 1], ids=" ".join)
def test_every_verb_shows_an_example(words: tuple[str, ...]) -> None:
    assert f"millrace {' '.join(words)}" in millrace(*words, "--help").out.partition("Example")[2].replace("\n", " ")


def test_help_takes_less_than_four_tenths_of_a_second_of_processor_time(tmp_path: Path) -> None:
    # Compiled files are kept as on any installed machine, also where the environment forbids to write them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)

    def processor_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([MILLRACE, "--help"], check=True, env=environment, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    processor_s()
    taken = [processor_s() for _ in range(3)]

    assert min(taken) < MOST_CPU_S, taken


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str) -> None:
    # Named outright: which shell called is found out from the processes above, and a test need not have one there.
    def asked(what: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"_MILLRACE_COMPLETE": what} | more
        return subprocess.run([MILLRACE], check=False, env=environment, capture_output=True, text=True)

    script = asked(f"source_{shell}")
    completed = asked("complete_bash", COMP_WORDS="millrace topology d", COMP_CWORD="2")

    assert "_MILLRACE_COMPLETE" in script.stdout
    assert completed.stdout.split() == ["declare", "diff"]


def test_the_version_is_told_to_people_and_programs() -> None:
    told, parsed = child("version"), millrace("version", "--json").json

    assert told.out == f"millrace {parsed['version']}\n"
    assert (told.code, told.err) == (0, "")


@pytest.mark.parametrize(
    ("words", "settings", "code", "said"),
    [
        (("topolgy",), {}, 2, "topology"),
        (("events", "lst"), {}, 2, "list"),
        (("events", "show", "one"), {}, 2, "valid integer"),
        (("events", "show", "0"), {}, 2, "greater than"),
        (("events", "show", "9" * 30), {}, 2, "less than"),
        (("events", "list", "--state", "lost"), {}, 2, "parked"),
        (("events", "list", "--most", "-1"), {}, 2, "greater than"),
        (("failures", "list", "--class", "sad"), {}, 2, "poison"),
        (("failures", "show", "x1"), {"LEDGER_URL": "sqlite://"}, 2, "e12 is an event"),
        (("weights", "set", "orders", "--high", "0"), {}, 2, "greater than"),
        (("events", "list"), {}, 2, "MILLRACE_LEDGER_URL is not set"),
        (("events", "list"), {"LEDGER_URL": "canary"}, 2, "MILLRACE_LEDGER_URL cannot be used"),
        (("events", "list"), {"LEDGER_URL": "postgresql://u:canary@h:port/x"}, 2, "MILLRACE_LEDGER_URL cannot be used"),
        (("events", "list"), {"LEDGER_URL": "sqlite:////nowhere/at/all.db"}, 69, "the ledger does not answer"),
        (("events", "list"), {"LEDGER_URL": "postgresql://u:canary@127.0.0.1:1/x"}, 69, "the ledger does not answer"),
        (("events", "list"), {"LEDGER_URL": "sqlite://"}, 69, "millrace db upgrade"),
        (("crossrefs", "list"), {"LEDGER_URL": "sqlite://"}, 69, "millrace db upgrade"),
        (("crossrefs", "set", "sandbox", "item", "A", "1"), {"LEDGER_URL": "sqlite://"}, 69, "nothing was changed"),
        (("db", "upgrade"), {"LEDGER_URL": "postgresql://u:canary@127.0.0.1:1/x"}, 69, "the ledger does not answer"),
        (("topology", "check"), {}, 2, "MILLRACE_BROKER_URL is not set"),
        (("topology", "check"), {"BROKER_URL": "canary"}, 2, "MILLRACE_BROKER_URL cannot be used"),
        (("topology", "check"), {"BROKER_URL": "amqp://u:canary@h:port/"}, 2, "MILLRACE_BROKER_URL cannot be used"),
        (("topology", "check"), {"BROKER_URL": "redis://:canary@127.0.0.1/0"}, 2, "MILLRACE_BROKER_URL cannot be used"),
        (("topology", "declare"), {"BROKER_URL": AWAY}, 69, "is it up?"),
        (("relay",), {"BROKER_URL": AWAY}, 2, "MILLRACE_LEDGER_URL is not set"),
        (("worker", "delivr"), {"BROKER_URL": AWAY, "LEDGER_URL": "sqlite://"}, 3, "deliver"),
        (("receiver", "--port", "99999"), {}, 2, "less than"),
        (("sandbox", "--rate", "-1"), {}, 2, "greater than"),
        (("relay",), {"LEDGER_ULR": "sqlite://"}, 2, "did you mean 'MILLRACE_LEDGER_URL'"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else None,
)  # fmt: skip
def test_bad_input_gets_its_exit_code_and_a_remedy(
    words: tuple[str, ...], settings: dict[str, str], code: int, said: str
) -> None:
    ended = millrace(*words, **settings)

    assert ended.code == code, ended
    assert said in " ".join(ended.err.split()), ended
    assert "canary" not in ended.out + ended.err
    assert ended.out == ""


@pytest.mark.parametrize(
    ("words", "settings", "code"),
    [
        (("up", "--data-dir", "/proc/nowhere"), {}, 1),
        (("sandbox", "--log", "/proc/nowhere/log", "--port", "0"), {}, 1),
        (("receiver", "--host", "203.0.113.1"), {"BROKER_URL": AWAY, "LEDGER_URL": "sqlite://"}, 1),
        (("worker", "deliver"), {"BROKER_URL": AWAY, "LEDGER_URL": "sqlite://", "SECRET_SANDBOX_FILE": "/nowhere"}, 2),
    ],
    ids=lambda given: "-".join(given).encode("ascii", "replace").decode() if isinstance(given, tuple) else None,
)  # fmt: skip
def test_no_process_ends_with_a_stack_trace_for_what_its_surroundings_lack(
    words: tuple[str, ...], settings: dict[str, str], code: int
) -> None:
    ended = child(*words, **settings)

    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert ended.err.splitlines()[-1].startswith("millrace: ")
