"""The tables of results.md, on curves whose rates are known."""

import json
from pathlib import Path

import pytest
from benchmarks import tables


def test_at_the_rates_of_a_curve_that_is_reached_with_half_the_bits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """PSNR rises by 3 dB a doubling; the last quality lies beyond the tested curve."""
    anchor, test = [(0.1, 27.0), (0.2, 30.0), (0.4, 33.0)], [(0.05, 27.0), (0.1, 30.0)]
    tables.at_the_rates_of("avif", "psnr-rgb", anchor, test)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| 0.1000 | 27.00 | 30.00 | -50.0 % |"
    assert lines[3] == "| 0.2000 | 30.00 |  | -50.0 % |"
    assert lines[4] == "| 0.4000 | 33.00 |  |  |"


def test_a_quality_that_is_better_lower_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The distance halves from 600 to 300 with four times the bits, evenly over their logarithm."""
    results = {"bpp": [0.1, 0.4], "fd-efficientnet": [600.0, 300.0]}
    test = tables.points(results, "fd-efficientnet")
    test.append(test[0])  # as of two targets below the smallest file
    tables.at_the_rates_of("avif", "fd-efficientnet", [(0.2, -600.0), (0.8, -100.0)], test)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| bpp of avif | its distance | ours there | bits for its distance |"
    assert lines[2:] == ["| 0.2000 | 600 | 450 | -50.0 % |", "| 0.8000 | 100 |  |  |"]


def test_the_spread_over_pictures(tmp_path: Path) -> None:
    """Of one picture half the bits, of the other double; a line with an error does not count. Of two runs."""
    rows: list[dict[str, object]] = [{"image": "a", "codec": "avif", "target": 0.9, "error": "too small"}]
    for image, factor in (("a", 0.5), ("b", 2.0)):
        for bpp, db in ((0.1, 27.0), (0.2, 30.0)):
            for codec, part in (("avif", 1.0), ("psc", factor)):
                rows.append(
                    {
                        "image": image,
                        "codec": codec,
                        "target": bpp,
                        "bpp": bpp * part,
                        "metrics": {"psnr": db},
                    }
                )
    for name in ("avif", "psc"):
        (tmp_path / name).mkdir()
        lines = [json.dumps(row) + "\n" for row in rows if row["codec"] == name]
        (tmp_path / name / "results.jsonl").write_text("".join(lines))
    pictures = tables.by_picture([tmp_path / "avif", tmp_path / "psc"])
    assert tables.spread(pictures, "avif", "psc") == "+25.0 ± 75.0 % (2), -50 to +100; 1 less"
    assert tables.spread(pictures, "webp", "psc") == ""
