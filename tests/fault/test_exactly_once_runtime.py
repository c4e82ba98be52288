"""The runtime under kills, rebalances, zombies, errors and broker restarts: each event once, in order, counted once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from byoc.local_kafka.local import LocalKafka
from streams.runtime.app import EXIT_LOST
from tests.support.fault_run import FaultRun, fault_run
from tests.support.kafka import TestBroker, Unique

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@contextmanager
def running(
    kafka: TestBroker, unique: Unique, folder: Path, *, seed: int, settle_timeout_s: float = 30.0
) -> Iterator[FaultRun]:
    """A run whose worker has begun to put out."""
    with fault_run(kafka, unique, folder, seed=seed) as run:
        run.settle_timeout_s = settle_timeout_s
        run.start_worker()
        run.until_outputs(500)
        yield run


def test_kill_minus_9_under_load_loses_and_doubles_nothing(kafka: TestBroker, unique: Unique, tmp_path: Path) -> None:
    with running(kafka, unique, tmp_path, seed=21) as run:
        for _ in range(3):
            run.until_outputs(int(run.spread(200, 1500)))
            successor = run.start_worker()
            run.workers[-2].kill()
            run.until(lambda w=successor: "partitions resumed" in w.log, "the successor's recovery")
        verdict = run.verdict()
    assert verdict.is_exactly_once, verdict


def test_a_worker_that_joins_and_workers_that_leave_lose_and_double_nothing(
    kafka: TestBroker, unique: Unique, tmp_path: Path
) -> None:
    with running(kafka, unique, tmp_path, seed=22) as run:
        for how in (signal.SIGTERM, signal.SIGKILL):
            joined = run.start_worker()
            run.until(lambda w=joined: "partitions resumed" in w.log, "the new worker's share")
            run.until_outputs(int(run.spread(200, 1000)))
            leaving = run.workers[-2]
            leaving.send(how)
            leaving.wait(20)
            run.until_outputs(500)
        verdict = run.verdict()
    assert verdict.is_exactly_once, verdict


def test_what_waited_when_a_partition_moved_away_is_not_worked_off_when_it_comes_back(
    kafka: TestBroker, unique: Unique, tmp_path: Path
) -> None:
    """Workers are slower than the load, so records wait in them at every moment."""
    with fault_run(kafka, unique, tmp_path, seed=28, rate=2_500) as run:
        run.start_worker(pace_us=600)
        run.until_outputs(2_000)
        guest = run.start_worker(pace_us=600)
        run.until(lambda: "partitions resumed" in guest.log, "the guest's share")
        run.until_outputs(3_000)
        guest.send(signal.SIGTERM)
        guest.wait(20)
        run.until_outputs(3_000)
        verdict = run.verdict()
    assert verdict.is_exactly_once, verdict


def test_a_zombie_is_fenced_and_ends_with_its_own_exit_code(kafka: TestBroker, unique: Unique, tmp_path: Path) -> None:
    with running(kafka, unique, tmp_path, seed=23) as run:
        zombie = run.workers[0]
        successor = run.start_worker()
        zombie.send(signal.SIGSTOP)
        run.until(lambda: "partitions resumed" in successor.log, "the take-over")
        run.until_outputs(500)
        zombie.send(signal.SIGCONT)
        code = zombie.wait(30)
        run.until_outputs(500)
        verdict = run.verdict()
    assert verdict.is_exactly_once, verdict
    assert code == EXIT_LOST, zombie.log[-2000:]
    assert "fenced" in zombie.log


def test_an_agent_that_raises_in_the_middle_of_a_batch_ends_the_process_and_its_successor_repeats_the_batch(
    kafka: TestBroker, unique: Unique, tmp_path: Path
) -> None:
    with fault_run(kafka, unique, tmp_path, seed=24) as run:
        fail_at = run.feeder.sent + 12_000  # 8 s from here: it has to be up by then, and to have committed something
        failing = run.start_worker(fail_at=fail_at)
        run.until_outputs(500)
        assert failing.wait(30) != 0
        run.start_worker()
        run.until_outputs(2_000)
        verdict = run.verdict()
    assert f"failing at event {fail_at}" in failing.log
    assert verdict.is_exactly_once, verdict


def test_an_agent_that_never_comes_back_ends_the_process_and_its_successor_repeats_the_batch(
    kafka: TestBroker, unique: Unique, tmp_path: Path
) -> None:
    """It raises nothing, so nothing else would ever say so."""
    with fault_run(kafka, unique, tmp_path, seed=29) as run:
        standing = run.start_worker(wait_at=run.feeder.sent + 12_000, settle_timeout_s=2)
        code = standing.wait(60)  # on a busy machine the event may be in its very first batch
        run.start_worker()
        run.until_outputs(2_000)
        verdict = run.verdict()
    assert code == EXIT_LOST, standing.log[-3000:]
    assert "standing still for 4.2 s: the input " in standing.log  # of the partitions that the agent does not come to
    assert "is_whole=False is_locked=True" in standing.log
    assert verdict.is_exactly_once, verdict


def test_orderly_stops_and_starts_lose_and_double_nothing(kafka: TestBroker, unique: Unique, tmp_path: Path) -> None:
    with running(kafka, unique, tmp_path, seed=25) as run:
        for _ in range(2):
            run.until_outputs(int(run.spread(200, 1500)))
            run.workers[-1].send(signal.SIGTERM)
            assert run.workers[-1].wait(20) == 0, run.workers[-1].log[-2000:]
            run.start_worker()
            run.until_outputs(500)
        verdict = run.verdict()
    assert verdict.is_exactly_once, verdict


def test_a_broker_restart_in_the_middle_loses_and_doubles_nothing(
    own_kafka: LocalKafka, unique: Unique, tmp_path: Path
) -> None:
    """The worker lives through it, or ends as lost and is started again: librdkafka may wait for ever (5511)."""
    broker = TestBroker(own_kafka.bootstrap_servers)
    with running(broker, unique, tmp_path, seed=26, settle_timeout_s=12) as run:
        run.restarts_lost_workers = True
        own_kafka.kill()
        own_kafka.start()
        run.until_outputs(1_000)
        verdict = run.verdict()
    assert verdict.is_exactly_once, verdict


def test_a_worker_can_be_stopped_while_kafka_is_gone(own_kafka: LocalKafka, unique: Unique, tmp_path: Path) -> None:
    """It says so and ends as lost after the settle time-out: its open transaction is the successor's to settle."""
    broker = TestBroker(own_kafka.bootstrap_servers)
    with running(broker, unique, tmp_path, seed=27, settle_timeout_s=5) as run:
        worker = run.workers[0]
        own_kafka.kill()
        worker.send(signal.SIGTERM)
        code = worker.wait(30)
        own_kafka.start()
        run.start_worker()
        verdict = run.verdict()
    assert (code, worker.log.count("Traceback")) == (EXIT_LOST, 0), worker.log[-3000:]
    assert "did not settle it in 5 s; ending the process" in worker.log
    assert verdict.is_exactly_once, verdict
