from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram

from loadtests.collect import MEASURES, Collector, RecordError, Sample, sample
from loadtests.streams import OUTCOMES, Reading

MS = 1_000_000
EPOCH = 5_000 * MS


def reading(outcome: str = "ok", **given: Any) -> Reading:
    """A stream sent 12 ms after the epoch: four tokens, the first after 200 ms, then one each 20 ms."""
    values: dict[str, Any] = {
        "status": 200,
        "started": EPOCH + 11 * MS,
        "sent": EPOCH + 12 * MS,
        "first": EPOCH + 212 * MS,
        "last": EPOCH + 272 * MS,
        "end": EPOCH + 273 * MS,
        "chunks": 4,
        "gaps": (20 * MS,) * 3,
        "prompt_tokens": 9,
        "completion_tokens": 4,
    }
    return Reading(outcome=outcome, **{**values, **given})


def made(outcome: str = "ok", intended: float = 0.010, **given: Any) -> Sample:
    return sample(reading(outcome, **given), epoch=EPOCH, intended=intended)


def test_latencies_follow_their_definitions() -> None:
    figures = Collector()
    figures.add(made())
    expected = {
        "ttft": 200.0,
        "ttft_intended": 202.0,
        "itl": 20.0,
        "tpot": 20.0,
        "e2e": 261.0,
        "e2e_intended": 263.0,
        "lateness": 1.0,
        "connect": 1.0,
    }
    for name, milliseconds in expected.items():
        assert figures.percentile(name, 50) == pytest.approx(milliseconds, rel=1e-3), name
    assert figures.histograms["itl"].get_total_count() == 3
    assert set(expected) | {"loop_lag"} == set(MEASURES)


def test_an_answer_that_came_as_a_whole_says_nothing_of_tokens_per_chunk() -> None:
    figures = Collector()
    figures.add(made())
    figures.add(made(first=0, last=0, chunks=0, gaps=(), completion_tokens=50))
    assert (figures.chunks, figures.chunk_tokens, figures.completion_tokens) == (4, 4, 54)


def test_time_per_output_token_leaves_the_first_out_and_counts_tokens_not_chunks() -> None:
    figures = Collector()
    # 10 tokens in 4 chunks: 60 ms over the 9 tokens after the first.
    figures.add(made(completion_tokens=10))
    assert figures.percentile("tpot", 50) == pytest.approx(60 / 9, rel=1e-3)


def test_a_single_token_has_a_first_and_nothing_between() -> None:
    figures = Collector()
    figures.add(made(chunks=1, gaps=(), completion_tokens=1, last=EPOCH + 212 * MS))
    assert figures.summary().keys() == {"ttft", "ttft_intended", "e2e", "e2e_intended", "lateness", "connect"}


@pytest.mark.parametrize("outcome", [name for name in OUTCOMES if name != "ok"])
def test_what_did_not_succeed_is_counted_and_enters_no_latency(outcome: str) -> None:
    figures = Collector()
    figures.add(made(outcome))
    assert figures.counts == {outcome: 1}
    assert figures.summary().keys() <= {"lateness", "connect"}


def test_a_reused_connection_was_not_connected() -> None:
    figures = Collector()
    figures.add(made(reused=True))
    assert figures.histograms["connect"].get_total_count() == 0


def test_tokens_are_the_endpoints_own_count_reconciled_with_the_chunks() -> None:
    figures = Collector()
    figures.add(made())
    figures.add(made(prompt_tokens=None, completion_tokens=None))
    figures.add(made(completion_tokens=2))
    tokens = figures.to_record()["tokens"]
    assert tokens == {"prompt": 18, "completion": 10, "uncounted": 1, "disagreeing": 1}


def histograms(figures: Collector) -> dict[str, list[int]]:
    return {name: list(histogram.counts) for name, histogram in figures.histograms.items()}


def random_samples(count: int) -> list[Sample]:
    draw = random.Random(1)
    samples = []
    for _ in range(count):
        gaps = tuple(draw.randrange(0, 10**10) for _ in range(draw.randrange(0, 6)))
        first = EPOCH + draw.randrange(20 * MS, 10**12)
        last = first + sum(gaps)
        samples.append(
            made(draw.choice(["ok", "ok", "429"]), first=first, last=last, end=last, gaps=gaps, chunks=len(gaps) + 1)
        )
    return samples


def test_merging_parts_gives_exactly_what_one_collector_counts() -> None:
    samples = random_samples(300)
    whole, merged = Collector(), Collector()
    parts = [Collector() for _ in range(3)]
    for number, one in enumerate(samples):
        whole.add(one)
        parts[number % 3].add(one)
        parts[number % 3].lagged(number / 1e5)
        whole.lagged(number / 1e5)
    for part in parts:
        merged.merge(json.loads(json.dumps(part.to_record())))
    assert histograms(merged) == histograms(whole)
    assert merged.counts == whole.counts
    assert merged.to_record()["tokens"] == whole.to_record()["tokens"]
    for name in MEASURES:
        for percent in (0.1, 50, 99, 100):
            assert merged.percentile(name, percent) == whole.percentile(name, percent)


def test_a_record_decodes_to_the_same_histograms() -> None:
    figures = Collector()
    for one in random_samples(100):
        figures.add(one)
    for name, histogram in figures.to_record()["histograms"].items():
        assert histogram["unit"] == "us"
        decoded = HdrHistogram.decode(histogram["encoded"])
        assert decoded.get_total_count() == figures.histograms[name].get_total_count()
        assert decoded.get_value_at_percentile(99) == figures.histograms[name].get_value_at_percentile(99)


def test_percentiles_are_within_a_thousandth_of_the_exact_ones() -> None:
    figures = Collector()
    values = sorted(random.Random(2).uniform(0.0005, 30.0) for _ in range(5_000))
    for value in values:
        figures.lagged(value)
    for percent in (50, 90, 95, 99, 99.9):
        exact = values[max(0, int(percent / 100 * len(values) + 0.5) - 1)]
        assert figures.percentile("loop_lag", percent) == pytest.approx(exact * 1000, rel=1.1e-3)


def test_values_outside_the_range_go_to_its_ends_and_are_never_lost() -> None:
    figures = Collector()
    for value in (-1.0, 0.0, 1e-9, 599.0, 600.0, 10_000.0):
        figures.lagged(value)
    assert figures.histograms["loop_lag"].get_total_count() == 6
    assert figures.percentile("loop_lag", 100) == pytest.approx(600_000, rel=1e-3)
    assert figures.percentile("loop_lag", 10) == 0.0


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: record.pop("counts"),
        lambda record: record["histograms"].pop("itl"),
        lambda record: record["histograms"]["itl"].update(encoded="!"),
        lambda record: record["histograms"]["itl"].update(encoded="HISTFAAAA"),
        lambda record: record["histograms"]["itl"].update(encoded=None),
        lambda record: record["tokens"].update(prompt="x"),
        lambda record: record.update(counts=[1]),
    ],
)
def test_nonsense_is_not_merged_and_changes_nothing(damage: Any) -> None:
    figures, other = Collector(), Collector()
    figures.add(made())
    other.add(made())
    record = json.loads(json.dumps(other.to_record()))
    damage(record)
    before = histograms(figures)
    with pytest.raises(RecordError):
        figures.merge(record)
    assert histograms(figures) == before
    assert figures.counts == {"ok": 1}


def test_a_sample_is_on_the_runs_clock() -> None:
    record = made().to_record()
    assert record == {
        "type": "sample",
        "t_intended": 0.01,
        "t_started": 0.011,
        "t_sent": 0.012,
        "t_first": 0.212,
        "t_last": 0.272,
        "t_end": 0.273,
        "status": 200,
        "outcome": "ok",
        "prompt_tokens": 9,
        "completion_tokens": 4,
        "chunks": 4,
    }


def test_a_sample_says_nothing_of_what_did_not_happen() -> None:
    record = made("refused", sent=0, first=0, last=0, status=None, chunks=0, detail="no").to_record()
    assert record["t_sent"] is None
    assert record["t_first"] is None
    assert record["detail"] == "no"
