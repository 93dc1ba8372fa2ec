"""Do the tests notice when a rule is changed? mutmut changes, the tests judge, reasons are demanded.

The run works on a copy of the tree. A mutant that no test notices is a survivor; each one needs a
reason in `mutation_survivors.toml`, which names it by its function and its text, so that reasons
outlive edits elsewhere. The texts of errors are not mutated.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.report import Bar, Report
from benchmarks.undecorated import MARK, undecorated

__all__ = ["run"]

_ROOT: Final = Path(__file__).parent.parent
_REASONS: Final = Path(__file__).with_name("mutation_survivors.toml")
_LEAST_KILLED: Final = 0.9
_NOTICED: Final = ("killed", "timeout", "segfault")

_SESSION: Final = (
    "tests/unit/ibkr/test_session_edges.py",
    "tests/unit/ibkr/test_session_patience.py",
    "tests/unit/ibkr/test_session_rules.py",
    "tests/unit/ibkr/test_session_states.py",
    "tests/property/test_session_machine.py",
)

_STILL: Final = (
    "tests/unit/indicators/test_a_million_bars.py"
    "::test_a_market_that_stands_still_has_one_average_whatever_the_period"
)

RULES: Final[dict[str, tuple[str, ...]]] = {
    "resilience": (
        "tests/unit/resilience",
        "tests/property/test_breaker_machine.py",
        "tests/property/test_cache_machine.py",
        "tests/property/test_pacing_machine.py",
    ),
    "guards.breaker": ("tests/unit/guards/test_circuit_breaker.py",),
    "guards.pacer": ("tests/unit/guards/test_pacer.py",),
    "guards.single_flight": (
        "tests/unit/guards/test_single_flight.py",
        "tests/property/test_single_flight_machine.py",
    ),
    "orders": (
        "tests/unit/orders",
        "tests/property/test_absence_machine.py",
        "tests/property/test_doubled_orders.py",
        "tests/property/test_exits_never_pass_zero.py",
        "tests/property/test_order_truth.py",
        "tests/property/test_protection_machine.py",
        "tests/property/test_tick_rounding.py",
    ),
    "ibkr.codes": ("tests/unit/ibkr/test_codes.py",),
    "ibkr.notices": (*_SESSION, "tests/unit/ibkr/test_codes.py", "tests/unit/ibkr/test_notices.py"),
    "ibkr.order_book": (
        "tests/unit/ibkr/test_combo_orders.py",
        "tests/unit/ibkr/test_order_book.py",
        "tests/unit/ibkr/test_roll_call.py",
        "tests/integration/orders/test_combos_are_counted_once.py",
        "tests/integration/test_a_machine_that_stood_still.py",
        "tests/integration/test_adapter_after_trouble.py",
        "tests/integration/test_adapter_orders.py",
    ),
    "ibkr.order_lists": (
        "tests/unit/ibkr/test_order_book.py",
        "tests/unit/ibkr/test_roll_call.py",
        "tests/integration/orders/test_fates_are_found.py",
        "tests/integration/orders/test_kept_orders.py",
        "tests/integration/orders/test_lists_that_are_asked_for.py",
        "tests/integration/orders/test_two_accounts.py",
        "tests/integration/orders/test_uncertain_sends.py",
        "tests/integration/orders/test_what_breaks_is_begun_again.py",
        "tests/integration/test_a_machine_that_stood_still.py",
        "tests/integration/test_adapter_after_trouble.py",
        "tests/integration/test_adapter_orders.py",
    ),
    "ibkr.session": _SESSION,
    "ibkr.states": _SESSION,
    "ibkr.ticks": (
        "tests/unit/ibkr/test_stream_rhythm.py",
        "tests/unit/ibkr/test_tick_collector.py",
        "tests/property/test_restoration_machine.py",
    ),
    "ibkr.windows": ("tests/unit/ibkr/test_reset_windows.py", "tests/unit/ibkr/test_session_edges.py"),
    "ibkr.wire_table": ("tests/unit/ibkr/test_wire_readings.py", "tests/unit/ibkr/test_wire_table.py"),
    "risk": (
        "tests/unit/risk",
        "tests/property/test_exposure_limits.py",
        "tests/property/test_loss_guard.py",
        "tests/property/test_sizing_limits.py",
    ),
    "strategy": ("tests/unit/strategy", "tests/property/test_signals_are_refused_or_read_back.py"),
    "indicators": (
        _STILL,
        "tests/unit/indicators/test_batch.py",
        "tests/unit/indicators/test_kinds_of_numbers.py",
        "tests/unit/indicators/test_latest.py",
        "tests/unit/indicators/test_streaming.py",
        "tests/unit/indicators/test_windows.py",
        "tests/property/test_indicators_agree.py",
        "tests/property/test_latest_agree.py",
    ),
    "runner.schedule": ("tests/unit/runner/test_schedule.py", "tests/unit/runner/test_timetable.py"),
    "runner.own_orders": ("tests/unit/runner/test_own_orders.py", "tests/unit/runner/test_protector.py"),
    "runner.desk": (
        "tests/unit/runner/test_late_positions.py",
        "tests/unit/runner/test_order_desk.py",
        "tests/unit/runner/test_protector.py",
        "tests/unit/runner/test_what_the_desk_believes.py",
    ),
    "runner.doorkeeper": (
        "tests/unit/runner/test_doorkeeper.py",
        "tests/unit/runner/test_halt.py",
        "tests/unit/runner/test_lookout.py",
    ),
    "runner.entry": (
        "tests/unit/runner/test_choosing_options.py",
        "tests/unit/runner/test_exits_in_a_run.py",
        "tests/unit/runner/test_warm_up.py",
        "tests/unit/runner/test_what_a_strategy_is_told.py",
    ),
    "runner.protector": (
        "tests/unit/runner/test_protector.py",
        "tests/integration/orders/test_what_others_hold.py",
    ),
    "runner.exposure": (
        "tests/unit/runner/test_portfolio_greeks.py",
        "tests/property/test_exposure_limits.py",
    ),
    "runner.limits_file": ("tests/unit/runner/test_retuning.py",),
    "backtest.barloop": (
        "tests/unit/backtest/test_bar_loop.py",
        "tests/unit/backtest/test_round_trips.py",
        "tests/unit/backtest/test_venue_orders.py",
    ),
    "backtest.broker": (
        "tests/integration/test_venue_broker.py",
        "tests/unit/backtest/test_accounts.py",
        "tests/unit/backtest/test_venue_orders.py",
    ),
    "backtest.prices": (
        "tests/integration/test_backtest_and_gateway.py::test_bars_and_chains_are_those_of_the_adapter",
        "tests/unit/backtest/test_market_answers.py",
    ),
    "backtest.dealing": (
        "tests/integration/test_venue_broker.py",
        "tests/unit/backtest/test_venue_orders.py",
        "tests/property/test_money_is_that_of_a_ledger.py",
    ),
    "backtest.figures": (
        "tests/unit/backtest/test_equity_curve.py",
        "tests/unit/backtest/test_round_trips.py",
    ),
    "model.checks": ("tests/unit/ibkr/test_ibkr_config.py", "tests/unit/model"),
    "model.contracts": (
        "tests/unit/model/test_chain_values.py",
        "tests/unit/model/test_combo_values.py",
        "tests/unit/model/test_contract_values.py",
    ),
    "model.orders": ("tests/unit/model/test_combo_values.py", "tests/unit/model/test_order_values.py"),
    "model.quotes": ("tests/unit/model/test_quote_and_account_values.py",),
    "model.signal": ("tests/unit/model/test_signal_wishes.py", "tests/unit/model/test_signals_hold_data.py"),
    "options.delta_rule": (
        "tests/unit/options/test_choices_by_name.py",
        "tests/unit/options/test_delta_plan.py",
    ),
    "options.filters": ("tests/unit/options/test_filters.py", "tests/property/test_selection.py"),
    "options.leg_risks": ("tests/unit/options/test_leg_risks.py", "tests/unit/options/test_net_greeks.py"),
    "options.liquidity": ("tests/unit/options/test_liquidity.py", "tests/unit/options/test_rules.py"),
    "options.parity": (
        "tests/unit/options/test_american_parity.py",
        "tests/unit/options/test_parity.py",
    ),
    "options.payoff": (
        "tests/unit/options/test_near_expiry.py",
        "tests/unit/options/test_payoff.py",
        "tests/property/test_structure_payoffs.py",
    ),
    "options.rank": ("tests/unit/options/test_filters.py", "tests/unit/options/test_rank.py"),
    "options.select": (
        "tests/unit/options/test_choices_by_name.py",
        "tests/unit/options/test_expiries.py",
        "tests/unit/options/test_rules.py",
        "tests/unit/options/test_select.py",
        "tests/property/test_selection.py",
    ),
    "options.series": ("tests/unit/options/test_series.py", "tests/unit/options/test_settlement.py"),
    "options.spreads": ("tests/unit/options/test_payoff.py", "tests/unit/options/test_spreads.py"),
    "options.structures": (
        "tests/unit/options/test_closing.py",
        "tests/unit/options/test_structures.py",
        "tests/property/test_structure_payoffs.py",
    ),
}
"""What is mutated, a module or a package below `ibkeel`, and the tests that must notice."""

_FRAMES: Final = (
    "tests/unit/guards/test_single_flight.py"
    "::test_an_error_shows_every_caller_where_the_work_failed_and_no_other_caller"
)
_LEFT_OUT: Final = (_FRAMES, "tests/unit/strategy/test_on_real_series.py")
"""The first counts the frames of a traceback, to which mutmut adds its own; the copy lacks what others read."""

_FORGETS: Final = """

def pytest_runtest_setup(item):
    # What was remembered before a change would answer in its place.
    modules = [module for name, module in sys.modules.items() if name.startswith("ibkeel.")]
    for value in [value for module in modules for value in vars(module).values()]:
        if hasattr(value, "cache_clear"):
            value.cache_clear()
"""

_SETTINGS: Final = """
[tool.mutmut]
source_paths = ["src/"]
only_mutate = {files}
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = {arguments}
# Texts of errors, decorators, and types that only the type checker reads.
do_not_mutate_patterns = ["^ *raise ", "{mark}$", "[^a-z]cast[(]"]
# A loop that never ends is noticed too; a busy machine must not pass for one.
timeout_multiplier = 10.0
timeout_constant = 5.0
"""


@attrs.frozen(order=True)
class Mutant:
    """One change of one function, named such that edits elsewhere do not rename it."""

    where: str
    before: str
    after: str


def run(*, quick: bool, modules: Sequence[str] = (), processes: int = 1) -> Report:
    """Mutate the rules, or only the `modules`, such as `resilience` or `resilience.breaker`."""
    named = tuple(modules) or (("model.quotes",) if quick else tuple(RULES))
    wanted = [rules for name in named for rules in _chosen(name)]
    tests = sorted({test for name in wanted for test in _tests_of(name)})
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        arguments = ["-n0", *(f"--deselect={test}" for test in _LEFT_OUT)]
        settings = _SETTINGS.format(files=_files(wanted), tests=tests, mark=MARK, arguments=arguments)
        _copy(tree, settings)
        statuses = _mutate(tree, processes)
        survivors = [_described(tree, name) for name, how in statuses.items() if how not in _NOTICED]
    return _report(statuses, survivors)


def _chosen(name: str) -> list[str]:
    """A module by its name; of a package, the modules that hold rules."""
    chosen = [rules for rules in RULES if f"{rules}.".startswith(f"{name}.")]
    return chosen or [name]


def _tests_of(name: str) -> tuple[str, ...]:
    for rules, tests in RULES.items():
        if name == rules or name.startswith(f"{rules}."):
            return tests
    raise SystemExit(f"{name} holds no rules; valid: {', '.join(RULES)}, or a package or module of those")


def _files(names: Iterable[str]) -> list[str]:
    return [str(place.relative_to(_ROOT)) for name in names for place in _places(_ROOT, name)]


def _places(tree: Path, name: str) -> list[Path]:
    place = tree.joinpath("src", "ibkeel", *name.split("."))
    return sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]


def _copy(tree: Path, settings: str) -> None:
    caches = shutil.ignore_patterns("__pycache__")
    for folder in ("src", "tests"):
        shutil.copytree(_ROOT / folder, tree / folder, ignore=caches)
    for name in RULES:
        for place in _places(tree, name):
            place.write_text(undecorated(place.read_text(encoding="utf-8")), encoding="utf-8")
    with (tree / "tests" / "conftest.py").open("a", encoding="utf-8") as shared:
        shared.write(_FORGETS)
    project = (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tree / "pyproject.toml").write_text(project + settings, encoding="utf-8")


def _mutate(tree: Path, processes: int) -> dict[str, str]:
    """How each mutant fared, by mutmut's name for it."""
    done = _mutmut(tree, "run", "--max-children", str(processes))
    lines = [line.strip() for line in _mutmut(tree, "results", "--all", "true").stdout.splitlines()]
    statuses = dict(line.rsplit(": ", 1) for line in lines if "__mutmut_" in line)
    if not statuses or "not checked" in statuses.values():
        raise SystemExit(
            f"mutmut (pip install mutmut==3.8.1) did not finish:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
    return statuses


def _mutmut(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def _described(tree: Path, name: str) -> Mutant:
    lines = _mutmut(tree, "show", name).stdout.splitlines()
    changes = {sign: [line[1:].strip() for line in lines if line[:1] == sign != line[1:2]] for sign in "-+"}
    return Mutant(_place(name), " ".join(changes["-"]), " ".join(changes["+"]))


def _place(name: str) -> str:
    """`ibkeel.a.xǁGateǁroom__mutmut_5`, or `ibkeel.a.x_room__mutmut_5`, as dotted names."""
    module, _, mangled = name.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{mangled.removeprefix('x').removeprefix('_').strip('ǁ').replace('ǁ', '.')}"


def _module(name: str) -> str:
    return name.rpartition("__mutmut_")[0].rpartition(".")[0].removeprefix("ibkeel.")


def _report(statuses: dict[str, str], survivors: list[Mutant]) -> Report:
    counts: dict[str, Counter[str]] = {}
    for name, status in statuses.items():
        counts.setdefault(_module(name), Counter())[status] += 1
    reasons = _reasons(counts)
    unexplained = sorted(set(survivors) - reasons.keys())
    outdated = sorted(reasons.keys() - set(survivors))
    figures: dict[str, Any] = {"modules": {name: _figures(count) for name, count in sorted(counts.items())}}
    figures["in all"] = _figures(sum(counts.values(), Counter()))
    figures |= {"without a reason": _texts(unexplained), "reasons of no survivor": _texts(outdated)}
    bars = (
        Bar(name="killed", value=figures["in all"]["killed"], op=">=", limit=_LEAST_KILLED),
        Bar(name="survivors_without_reason", value=len(unexplained), op="==", limit=0),
        Bar(name="reasons_of_no_survivor", value=len(outdated), op="==", limit=0),
    )
    return Report(name="mutation", figures=figures, bars=bars)


def _figures(count: Counter[str]) -> dict[str, Any]:
    noticed = sum(count[how] for how in _NOTICED)
    other = {status: number for status, number in sorted(count.items()) if status != "killed"}
    return {"mutants": count.total(), "killed": noticed / count.total()} | other


def _reasons(modules: Iterable[str]) -> dict[Mutant, str]:
    """The reasons for survivors of the modules that were mutated."""
    entries = tomllib.loads(_REASONS.read_text(encoding="utf-8")).get("survivor", [])
    return {
        Mutant(entry["where"], entry["before"], entry["after"]): entry["reason"]
        for entry in entries
        if any(entry["where"].startswith(f"ibkeel.{name}.") for name in modules)
    }


def _texts(mutants: Iterable[Mutant]) -> dict[str, str]:
    return {
        f"{place} {mutant.where}": f"{mutant.before}  ->  {mutant.after}"
        for place, mutant in enumerate(mutants, 1)
    }
