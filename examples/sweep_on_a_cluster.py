"""One sweep three times: here, over processes, and on a local Dask cluster of two workers; the same result.

    pip install 'ibkeel[examples]'
    python examples/sweep_on_a_cluster.py

With a cluster of your own, connect `Client("tcp://scheduler:8786")`; nothing else changes.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from dask.distributed import Client, LocalCluster

from ibkeel.backtest import MarketTrial, SeededData, Sweep, sweep
from ibkeel.runner import RunnerConfig
from ibkeel.strategy import Scalp

TRIAL = MarketTrial(
    strategy=Scalp(), data=SeededData(seed=7), runner=RunnerConfig(symbols=("SPY",), interval=1800)
)
GRID: dict[str, list[float]] = {"data.seed": [11], "risk.stop_fraction": [0.1, 0.4]}


@contextmanager
def cluster() -> Iterator[Executor]:
    """Two workers on this machine, as an executor."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local,
        Client(local) as client,
    ):
        yield client.get_executor()


def show(found: Sweep) -> None:
    for row in found.rows:
        assert row.figures is not None, row.error
        seed, stop = row.settings["data.seed"], row.settings["risk.stop_fraction"]
        print(
            f"seed {seed}, stop at {stop:.0%}: {row.figures.trades} trades, {row.figures.net_profit:+,.2f} dollars"
        )


def main() -> None:
    here = sweep(TRIAL, GRID)
    show(here)
    # A fork would take the threads of the cluster's client along, in whatever state they are.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        assert sweep(TRIAL, GRID, executor=processes) == here
    with cluster() as workers:
        assert sweep(TRIAL, GRID, executor=workers) == here
    print(f"{len(here.rows)} backtests: processes and cluster give the same figures")


if __name__ == "__main__":
    main()
