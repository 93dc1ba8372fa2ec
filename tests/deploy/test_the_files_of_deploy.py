"""What the files under deploy/ say agrees with the code and with each other."""

import re
from pathlib import Path

import attrs

from ibkeel.cli.app import ExitCode
from ibkeel.cli.bot_config import MonitoredBot
from ibkeel.monitor import alert_rules

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RUNBOOK = ROOT / "docs" / "how-to" / "runbook.md"


def text_of(*parts):
    return DEPLOY.joinpath(*parts).read_text(encoding="utf-8")


def test_the_runbook_has_a_section_for_each_alert_and_no_other():
    alerts = re.findall(r"^ *- alert: (\w+)$", alert_rules(), re.MULTILINE)

    sections = re.findall(r"^## (Ibkeel\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)

    assert alerts
    assert sections == alerts


def test_each_section_of_the_runbook_says_meaning_first_look_and_action():
    sections = re.split(r"^## Ibkeel\w+\n", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]

    for section in sections:
        assert re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE) == ["Meaning", "First look", "Action"]


def test_every_setting_that_compose_gives_is_one_of_the_configuration():
    parts = {part.name: part.type for part in attrs.fields(MonitoredBot)}

    given = re.findall(r"IBKEEL_([A-Z]+)__([A-Z_]+):", text_of("compose.yml"))

    assert given
    for section, key in given:
        assert key.lower() in {field.name for field in attrs.fields(parts[section.lower()])}


def test_every_variable_that_compose_reads_is_in_the_example_of_the_environment():
    read = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)[:}]", text_of("compose.yml")))
    explained = set(re.findall(r"^([A-Z_]+)=", text_of("env.example"), re.MULTILINE))

    assert {name for name in read if not name.endswith("_PASSWORD_FILE")} == explained


def test_every_file_that_compose_mounts_is_there():
    mounted = re.findall(r"^ *- (\.\.?/[^:]+):", text_of("compose.yml"), re.MULTILINE)

    assert len(mounted) == 4
    assert [path for path in mounted if not (DEPLOY / path).exists()] == []


def test_the_unit_starts_no_bot_again_that_a_person_must_look_at():
    unit = text_of("systemd", "ibkeel@.service")

    assert f"RestartPreventExitStatus={ExitCode.USAGE.value} {ExitCode.REFUSED.value}\n" in unit
    assert f"SuccessExitStatus={ExitCode.INTERRUPTED.value}\n" in unit


def test_the_unit_starts_a_bot_again_for_as_long_as_there_is_no_gateway():
    unit = text_of("systemd", "ibkeel@.service")

    assert "StartLimitIntervalSec=0\n" in unit
    assert "Restart=on-failure\n" in unit
    assert (
        str(ExitCode.UNREACHABLE.value) not in re.findall(r"RestartPreventExitStatus=(.*)", unit)[0].split()
    )


def test_a_system_call_that_the_unit_leaves_out_fails_and_kills_no_bot():
    unit = text_of("systemd", "ibkeel@.service")

    assert "SystemCallFilter=" in unit
    assert "SystemCallErrorNumber=EPERM\n" in unit  # numpy's import calls mbind, and does without it


def test_numpy_takes_one_thread_wherever_threads_are_counted():
    # OpenBLAS raises SIGINT when a thread is refused: a bot ends with 130, which counts as asked for.
    assert "OPENBLAS_NUM_THREADS=1\n" in text_of("Dockerfile")
    assert "OPENBLAS_NUM_THREADS=1\n" in text_of("systemd", "ibkeel@.service")


def test_the_bot_is_not_the_first_process_of_its_container():
    # That one does not hear SIGTERM before it has loaded what handles it.
    assert "    init: true\n" in text_of("compose.yml")


def test_compose_leaves_the_addresses_of_alerts_in_the_bots_file_alone():
    assert "      IBKEEL_ALERTS__URLS:\n" in text_of("compose.yml")
    assert "\n#IBKEEL_ALERTS__URLS=\n" in text_of("env.example")


def test_no_password_that_the_page_asks_for_gets_into_a_commit():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert {"deploy/.env", "deploy/secrets/"} <= set(ignored)


def test_the_image_is_built_from_what_the_build_context_lets_in():
    let_in = set(re.findall(r"^!(\S+)$", text_of("Dockerfile.dockerignore"), re.MULTILINE))
    copied = {
        name.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text_of("Dockerfile"), re.MULTILINE)
        for name in line.split()
    }

    assert copied <= let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []
