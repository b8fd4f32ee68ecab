"""Figures: what is drawn equals the frame, intervals only from three seeds, right scripts, and files that repeat."""

import itertools
import math
import re
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hybridkit import plots
from hybridkit.data.languages import language
from hybridkit.errors import InputError
from hybridkit.evaluation.resampling import t_interval
from hybridkit.plots import palette, style
from hybridkit.plots.marks import DIFFERENCE
from hybridkit.plots.style import language_label, pieces, wrap
from hybridkit.sampling import labels

pytestmark = pytest.mark.filterwarnings("error")

PAIRS = list(itertools.product(["ar", "de"], ["ar", "de"]))
QUANTILES = {"q05": 10, "q25": 20, "q50": 30, "q75": 45, "q95": 90}
ROW = {  # one row of the atlas kind, in the eleven languages of XQuAD-R
    "ar": ("ما هي عاصمة ألمانيا؟", "عاصمة ألمانيا (DE) هي برلين، وعملتها اليورو."),
    "de": ("Wie heißt die Hauptstadt von Deutschland?", "Die Hauptstadt von Deutschland ist „Berlin“."),
    "el": ("Ποια είναι η πρωτεύουσα της Γερμανίας;", "Η πρωτεύουσα της Γερμανίας είναι το Βερολίνο."),
    "en": ("What is the capital of Germany?", "Germany’s capital is Berlin – its currency is the euro."),
    "es": ("¿Cuál es la capital de Alemania?", "La capital de Alemania es Berlín."),
    "hi": ("जर्मनी की राजधानी क्या है?", "जर्मनी की राजधानी बर्लिन है। यहाँ की मुद्रा यूरो है।"),
    "ru": ("Какой город — столица Германии?", "Столица Германии — Берлин, валюта — евро («€»)."),
    "th": ("เมืองหลวงของเยอรมนีคือเมืองใด", "เมืองหลวงของเยอรมนีคือเบอร์ลิน สกุลเงินคือยูโร"),
    "tr": ("Almanya'nın başkenti neresidir?", "Almanya'nın başkenti Berlin'dir; şehir ğ, ı, ş bilir."),
    "vi": ("Thủ đô của nước Đức là gì?", "Thủ đô của nước Đức là Béc-lin, đồng tiền là euro."),
    "zh": ("德国的首都是哪里？", "德国的首都是柏林，该国的货币是欧元（EUR）。"),
}


def scores(seeds: int) -> pd.DataFrame:
    """Strategies mono and cross; seed s of mono has AP .5 + .1 s in every setting."""
    return pd.DataFrame(
        [
            (name, seed, "xquad-r", setting, "AP", base + 0.1 * seed)
            for name, base in (("mono", 0.5), ("cross", 0.3))
            for seed in range(seeds)
            for setting in ("pool", "mono", "cross")
        ],
        columns=["strategy", "seed", "benchmark", "setting", "measure", "value"],
    )


def alphas(seeds: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (alpha, f"hybrid(alpha={alpha})", seed, "pool", measure, scale * (alpha + seed))
            for alpha in (0.0, 0.5, 1.0)
            for seed in range(seeds)
            for measure, scale in (("AP", 0.1), ("rank_distance", 100.0))
        ],
        columns=["x", "strategy", "seed", "setting", "measure", "value"],
    )


def differences(column: str, value: object) -> pd.DataFrame:
    """Differences in two settings: established in the pool, not in mono, whose crossed interval is missing."""
    rows = [("pool", "AP", 0.1, 0.05, 0.2, 0.03, 0.18, "*"), ("mono", "AP", 0.1, -0.05, 0.2, math.nan, math.nan, "")]
    rows.append(("pool", "rank_distance", -9.0, -12.0, -6.0, -14.0, 3.0, "°"))
    names = ["setting", "measure", "difference", "low", "high", "crossed_low", "crossed_high", "mark"]
    return pd.DataFrame(rows, columns=names).assign(**{column: value})


PAIR_FRAME = pd.DataFrame(
    [
        (name, a, b, value)
        for name, values in (("mono", [0.9, 0.1, 0.2, 0.8]), ("cross", [0.7, 0.6, 0.5, math.nan]))
        for (a, b), value in zip(PAIRS, values, strict=True)
    ],
    columns=["strategy", "query_language", "passage_language", "value"],
)
PAIRS_OF_SETS = ["which", "languages", "query_language", "passage_language", "value"]
DIVERSITY = pd.DataFrame(  # four random sets of each size but the last; set d of k languages has .1 k + .01 d
    [
        ("fixed", "mono", seen, "random", k, f"set {k} {draw}", 0, 0.1 * k + 0.01 * draw)
        for seen in ("seen-seen", "unseen-unseen")
        for k in (1, 2, 4)
        for draw in range(4)
    ]
    + [
        ("fixed", "mono", "seen-seen", "all", 5, "every", 0, 0.9),
        ("fixed", "mono", "seen-seen", "spread", 2, "s", 0, 0.7),
        ("fixed", "untrained", "unseen-unseen", "untrained", 0, "", 0, 0.05),
    ],
    columns=["series", "strategy", "seen", "group", "k", "languages", "seed", "value"],
)
SHARES = (("ar", 0.2, 0.4), ("de", 0.8, 0.6))
VERDICTS = ("holds", "contradicted", "not shown", "true by construction", "not testable")
FRAMES: dict[str, pd.DataFrame] = {
    "coverage": pd.DataFrame(
        [("atlas", "ar", 30, 20), ("atlas", "de", 40, 10), ("mlqa", "de", 7, 7)],
        columns=["source", "language", "queries", "passages"],
    ),
    "text_lengths": pd.DataFrame(
        [
            {"language": tag, "side": side, "unit": "characters", **QUANTILES}
            for tag in ("ar", "de")
            for side in ("query", "passage")
        ]
    ),
    "sample_row": pd.DataFrame([(tag, *texts) for tag, texts in ROW.items()], columns=["language", "query", "passage"]),
    "exposure": pd.DataFrame(
        [
            (strategy, by, name, share)
            for strategy, first in (("mono", 0.5), ("cross", 0.52))
            for by, names in (("source", ("mlqa", "xnli")), ("query language", ["ar", "th"]), ("pair", ("ar-th", "x")))
            for name, share in zip(names, (first, 1 - first), strict=True)
        ],
        columns=["strategy", "by", "name", "share"],
    ),
    "batch_composition": pd.DataFrame(
        [("mono", a, b, 0.5 * (a == b)) for a, b in PAIRS] + [("cross", a, b, 0.5 * (a != b)) for a, b in PAIRS],
        columns=["strategy", "query_language", "passage_language", "share"],
    ),
    "batch_examples": pd.DataFrame(
        [("cross", step, place, "ar", "de") for step in range(9) for place in range(3)],
        columns=["strategy", "step", "position", "query_language", "passage_language"],
    ),
    "plan_languages": pd.DataFrame(
        [("hybrid(alpha=0.5)", "mono", "both", tag, share, 0.3, 0.7) for tag, share in (("ar", 0.4), ("de", 0.8))]
        + [("hybrid(alpha=0.5)", "cross", side, "ar", 0.5, 0.45, 0.55) for side in ("query", "passage")],
        columns=["strategy", "kind", "side", "language", "share", "low", "high"],
    ),
    "loss_and_ap": pd.DataFrame(
        [
            (name, seed, kind, 0.3 + at / 10 + seed / 50, 0.7 - at / 20 - seed / 90)
            for at, name in enumerate(["cross", "hybrid(alpha=0.5)", "mono", "mixed", "untrained"])
            for seed in ((0, 1, 2) if name != "untrained" else (0,))
            for kind in ("mono", "cross", "pool")
        ],
        columns=["strategy", "seed", "kind", "loss", "AP"],
    ),
    "loss_curves": pd.DataFrame(
        [("mono", seed, step, "mono", 3.0 - step + seed) for seed in range(2) for step in range(3)],
        columns=["strategy", "seed", "step", "kind", "loss"],
    ),
    "settings": scores(3),
    "language_pairs": PAIR_FRAME,
    "pair_difference": PAIR_FRAME.drop(columns="strategy").iloc[:4],
    "remedy_planes": pd.DataFrame(
        [
            ("xquad-r", strategy, remedy, column, *(value, value - 0.01, value + 0.02, *crossed), value > 0.5)
            for strategy, crossed in (("untrained", (math.nan, math.nan)), ("mono", (0.1, 0.9)))
            for remedy, add in (("none", 0.0), ("calibrate(top=5)", 0.1))
            for column, value in (("mono", 0.8), ("pool", 0.3 + add), ("own", 0.7 - add), ("other", 0.2 + add))
        ],
        columns=[
            *["benchmark", "strategy", "remedy", "column", "value", "low", "high", "crossed_low", "crossed_high"],
            "front",
        ],
    ),
    "remedy_collections": pd.DataFrame(
        [
            (name, strategy, remedy, value + add, *(add + end for end in (value - 0.01, value + 0.02, *crossed)))
            for name in ("miracl-pool[ar,en]", "miracl-pool[ar,en,pool]", "tydi-goldp[en]")
            for strategy, value, crossed in (("untrained", 0.5, (math.nan, math.nan)), ("mono", 0.6, (0.55, 0.66)))
            for remedy, add in (("none", 0.0), ("centre(by='rows') + calibrate(top=5)", -0.1))
        ],
        columns=["benchmark", "strategy", "remedy", "value", "low", "high", "crossed_low", "crossed_high"],
    ),
    "remedy_effects": pd.DataFrame(
        [
            ("xquad-r", "untrained", remedy, "hybrid(alpha=0.5)", "none", column, *numbers)
            for remedy in ("none", "centre(by='rows') + calibrate(top=5)")
            for column, numbers in (
                ("pool", (-0.1, -0.2, -0.05, -0.3, 0.01, "°")),
                ("rank distance", (90.0, 60.0, 120.0, 50.0, 130.0, "*")),
            )
        ],
        columns=[
            *["benchmark", "strategy", "remedy", "against_strategy", "against_remedy", "column"],
            *["difference", "low", "high", "crossed_low", "crossed_high", "mark"],
        ],
    ),
    "gains_by_distance": pd.DataFrame(
        [
            ("xquad-r", strategy, "english", setting, distance, by * distance - 0.01, "RR@10")
            for strategy, by in (
                ("codeswitch(english, p=0.5)", 0.2),
                ("codeswitch(english, p=0.5, languages=['ar'])", 0.1),
            )
            for setting in ("mono", "cross", "pool")
            for distance in (0.0, 0.1, 0.35, 0.4)
        ],
        columns=["benchmark", "strategy", "against", "setting", "distance", "difference", "measure"],
    ),
    "effects": pd.DataFrame(
        [
            ("cross", "mono", "mono", "AP", -0.1, -0.2, -0.05, -0.3, 0.01, "°"),
            ("hybrid(alpha=0.5)", "mono", "mono", "AP", 0.02, -0.01, 0.04, math.nan, math.nan, ""),
            ("hybrid(alpha=0.5)", "cross", "mono", "AP", 0.12, 0.08, 0.2, 0.07, 0.3, "*"),
            ("cross", "mono", "pool", "rank_distance", -90.0, -120.0, -60.0, -130.0, -50.0, "*"),
        ],
        columns=[
            *["system", "against", "setting", "measure", "difference", "low", "high"],
            *["crossed_low", "crossed_high", "mark"],
        ],
    ),
    "curves": alphas(3),
    "curve_differences": differences("x", 0.25),
    "pair_batches": pd.concat(
        [
            alphas(1).iloc[:2].assign(strategy=name, value=[0.3 + add, 90.0])
            for name, add in (("cross", 0.0), ("cross(pairs='one')", 0.1))
        ]
        + [differences("strategy", "cross(pairs='one')").iloc[[0, 2]].assign(against="cross")]
    ).drop(columns="x"),
    "rank_distance": pd.DataFrame(
        [
            (name, seed, tag, base + 10 * seed)
            for name, base in (("mono", 400), ("cross", 290))
            for seed in range(3)
            for tag in ("ar", "de")
        ],
        columns=["strategy", "seed", "query_language", "value"],
    ),
    "language_share": pd.DataFrame(
        [("mono", seed, tag, share, expected) for seed in (0, 1, 2) for tag, share, expected in SHARES],
        columns=["strategy", "seed", "passage_language", "share", "expected"],
    ),
    "bias_panel": pd.DataFrame(
        [
            (name, seed, measure, value + 0.1 * seed, better, chance)
            for name, base in (("mono", 2.0), ("cross", 1.0))
            for seed in range(3)
            for measure, value, better, chance in (
                ("rank distance", 100 * base, "lower", 9000.0),
                ("PEER", base / 4, "higher", 0.5),
                ("AP gap, mono", base / 9, "lower", math.nan),
                ("language probe", base / 3, "none", 0.1),
            )
        ],
        columns=["strategy", "seed", "measure", "value", "better", "chance"],
    ),
    "language_map": pd.DataFrame(
        [
            (name, tag, x * size, y * size, 0.8, size / 9)
            for name, size in (("mono", 2.0), ("cross", 0.5))
            for tag, x, y in (("ar", -1.0, 0.0), ("de", 0.5, 0.5), ("en", 0.5, -0.5))
        ],
        columns=["strategy", "language", "x", "y", "shown", "variance"],
    ),
    "claims": pd.DataFrame(
        [
            (number, f"claim {number} costs $5", source, verdict)
            for source in ("this study", "the published tables")
            for number, verdict in enumerate(VERDICTS)
        ],
        columns=["claim", "text", "source", "verdict"],
    ),
    "diversity_curve": DIVERSITY,
    "diversity_interaction": DIVERSITY[DIVERSITY["strategy"] != "untrained"],
    "diversity_collections": pd.concat(
        DIVERSITY[DIVERSITY["strategy"] != "untrained"].assign(benchmark=f"judged[de,en{more}]", setting=setting)
        for setting, more in (("mono", ""), ("pool", ",pool"))
    ),
    "diversity_distance": DIVERSITY.assign(draw=DIVERSITY["languages"].str[-1])
    .rename(columns={"k": "distance", "seen": "side"})
    .query("strategy != 'untrained'"),
    "diversity_left_out": pd.DataFrame(
        [
            ("mono", tag, setting, pairs, "RR", -0.02, -0.03, -0.01, -0.04, 0.0, mark)
            for (tag, mark), (setting, pairs) in itertools.product(
                (("ar", "°"), ("*", "*")), (("mono", "both"), ("cross", "query"))
            )
        ],
        columns=["strategy", "language", "setting", "pairs", "measure", *DIFFERENCE],
    ),
    "diversity_pairs": PAIR_FRAME.iloc[:4]
    .assign(which="least", languages="ar")[PAIRS_OF_SETS]
    .pipe(lambda least: pd.concat([least, least.assign(which="most", languages="ar de", value=0.5)])),
    "published": pd.DataFrame(
        [
            ("xquad-r", "pool", system, "mono", "AP", value, source)
            for system, value, source in (("XLM-R", 0.548, "2408.10536"), ("e5-small", 0.56, "this study"))
        ],
        columns=["benchmark", "setting", "system", "strategy", "measure", "value", "source"],
    ),
}


def seen(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def line(axes: Axes, label: str) -> list[list[float]]:
    found = next(line for line in axes.lines if line.get_label() == label)
    return [
        [round(float(value), 6) for value in found.get_xdata()],
        [round(float(value), 6) for value in found.get_ydata()],
    ]


def grid(axes: Axes) -> np.ndarray:
    return np.ma.filled(axes.collections[0].get_array().astype(float), np.nan).reshape(2, 2)


def legend(figure: Figure) -> list[str]:
    return [entry.get_text() for entry in figure.legends[0].get_texts()]


def legend_title(figure: Figure) -> str:
    return figure.legends[0].get_title().get_text().replace("\n", " ")


def ticks(axes: Axes) -> list[str]:
    return [tick.get_text() for tick in axes.get_yticklabels()]


@pytest.mark.parametrize("name", FRAMES)
def test_every_figure_is_written_and_the_same_bytes_a_second_time(name: str, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    first = plots.save(plots.FIGURES[name](FRAMES[name]), tmp_path / "a", name)
    second = plots.save(plots.FIGURES[name](FRAMES[name].copy()), tmp_path / "b", name)
    assert [path.suffix for path in first] == [".png", ".svg"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes() and one.stat().st_size > 2000
    text = first[1].read_text(encoding="utf-8")
    assert "<text" not in text and "date" not in text  # glyphs as paths, nothing that changes with the day
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["sample_row", "published"])
def test_a_figure_shows_itself_in_a_notebook(name: str) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    figure = plots.FIGURES[name](FRAMES[name])
    shown, _ = InteractiveShell.instance().display_formatter.format(figure)
    assert shown["image/png"].startswith(b"\x89PNG")


def test_every_figure_is_tested_and_exported() -> None:
    assert set(FRAMES) == set(plots.FIGURES) <= set(plots.__all__)


@pytest.mark.parametrize("name", FRAMES)
def test_a_missing_column_or_an_empty_frame_is_named(name: str) -> None:
    for column in FRAMES[name].columns:
        with pytest.raises(InputError, match=f"{name}.*{column!r}"):
            plots.FIGURES[name](FRAMES[name].drop(columns=column))
    with pytest.raises(InputError, match=f"{name}.*no rows"):
        plots.FIGURES[name](FRAMES[name].iloc[:0])


def test_diversity_draws_means_of_the_random_sets_and_their_intervals() -> None:
    figure = plots.diversity_curve(FRAMES["diversity_curve"], setting="cross")
    seen_seen, unseen = seen(figure)
    # means .115, .215, .415 of k = 1, 2, 4, then the set of all; the spread set is a point and no part of it
    assert line(seen_seen, "mono") == [[-0.2, 0.8, 1.8, 2.8], [0.115, 0.215, 0.415, 0.9]]  # the left half of a slot
    assert line(seen_seen, "mono random")[0][:4] == [0.16] * 4  # the points of its models in the right half
    assert line(unseen, "mono")[1] == [0.115, 0.215, 0.415]
    assert sum(drawn.get_label() == "mono interval" for drawn in unseen.lines) == 3
    assert sum(drawn.get_label() == "mono interval" for drawn in seen_seen.lines) == 3  # none for the one set of all
    few = DIVERSITY[~DIVERSITY["languages"].str.endswith(("2", "3"))]
    again = plots.diversity_curve(few)
    assert not any("interval" in str(drawn.get_label()) for ax in seen(again) for drawn in ax.lines)
    both = pd.concat([DIVERSITY, DIVERSITY.assign(series="growing")])
    assert [ax.get_title().splitlines() for ax in seen(plots.diversity_curve(both))] == [
        [group, series]
        for group in ("seen-seen", "unseen-unseen")
        for series in ("same rows for every set", "rows grow with the languages")
    ]


def test_diversity_distance_takes_the_nested_sets_of_a_draw_for_one_observation() -> None:
    lines = [
        ("fixed", "mono", "a side", 1, group, draw, f"{draw} {k}", 0, 0.1 * draw + 0.01 * k)
        for group in ("random", "spread")
        for draw in range(3)
        for k in (1, 2, 4)
    ]
    columns = ["series", "strategy", "side", "distance", "group", "draw", "languages", "seed", "value"]
    frame = pd.DataFrame(lines, columns=columns)
    (axes,) = seen(plots.diversity_distance(frame))
    low, high = line(axes, "mono interval")[1]
    interval = t_interval([0.1 * draw + 0.07 / 3 for draw in range(3)])
    assert interval is not None and (low, high) == pytest.approx((interval.low, interval.high), abs=1e-5)
    (axes,) = seen(plots.diversity_distance(frame[frame["group"] == "spread"]))
    assert "mono interval" not in {one.get_label() for one in axes.lines}  # chosen sets are no sample


def test_diversity_pairs_draws_the_difference_and_the_training_languages_in_bold() -> None:
    least, most, change = seen(plots.diversity_pairs(FRAMES["diversity_pairs"]))[:3]
    assert [text.get_text() for text in change.texts] == ["−.40", "+.40", "+.30", "−.30"]
    assert [tick.get_fontweight() for tick in least.get_xticklabels()] == ["bold", "normal"]
    assert [tick.get_fontweight() for tick in most.get_xticklabels()] == ["bold", "bold"]


def test_the_t_interval_by_hand() -> None:
    # mean 2, s = 1, n = 3; t(.975, 2) = 4.302653 (table): 4.302653 / sqrt(3) = 2.484138
    interval = t_interval([1.0, 2.0, 3.0])
    assert interval is not None and np.allclose(interval, [2.0, 2.0 - 2.484138, 2.0 + 2.484138], atol=1e-6)
    assert t_interval([1.0, 2.0]) is None and t_interval([1.0, 2.0, math.nan]) is None


def test_settings_draw_seeds_and_an_interval_from_three_seeds_on() -> None:
    figure = plots.settings(scores(3))
    axes = seen(figure)
    assert [ax.get_title() for ax in axes] == ["monolingual", "cross-lingual", "multilingual pool"]
    assert ticks(axes[0]) == ["mono", "cross"] and axes[0].get_xlabel() == "mean AP\nbetter →"
    assert line(axes[0], "mono") == [[0.6], [0.0]]  # .5, .6, .7
    assert line(axes[0], "mono interval")[0] == [round(0.6 - 0.2484138, 6), round(0.6 + 0.2484138, 6)]
    assert "95 % t interval" in figure.get_supxlabel()
    for seeds, text in ((2, "two are no interval"), (1, "no interval")):
        figure = plots.settings(scores(seeds))
        assert not any("interval" in str(drawn.get_label()) for ax in seen(figure) for drawn in ax.lines)
        assert text in figure.get_supxlabel() and line(seen(figure)[0], "mono")[0] == [0.5, 0.6][:seeds]


def test_settings_refuses_to_mix_encoders_and_names_an_unknown_measure() -> None:
    with pytest.raises(InputError, match="encoder"):
        plots.settings(scores(1).assign(encoder=["a", "b", "a"] * 2))
    with pytest.raises(InputError, match=re.escape("measure = 'RR'; there is AP")):
        plots.settings(scores(1), measure="RR")


def test_curve_over_alpha_means_bands_and_the_rank_distance_panel() -> None:
    axes = seen(plots.curves(alphas(3)))
    assert [ax.get_title() for ax in axes] == ["multilingual pool", "language bias"]
    assert [ax.get_xscale() for ax in axes] == ["linear"] * 2
    # seeds 0, 1, 2: mean of alpha + seed is alpha + 1
    assert line(axes[0], "mean") == [[0.0, 0.5, 1.0], [0.1, 0.15, 0.2]]
    assert line(axes[1], "mean")[1] == [100.0, 150.0, 200.0]
    # values 0, .1, .2: the interval would begin at -.148, which no AP can be; those at alpha 1 are .1, .2, .3
    band = axes[0].collections[0].get_paths()[0].vertices
    assert min(band[:, 1]) == 0 and max(band[:, 1]) == pytest.approx(0.2 + 0.2484138, abs=1e-6)
    assert not seen(plots.curves(alphas(2)))[0].collections  # no band from two seeds


def test_curves_over_rows_have_a_line_a_strategy_and_a_logarithmic_axis() -> None:
    frame = pd.concat([alphas(3).assign(strategy=name, x=x) for name in ("mono", "cross") for x in (100, 200, 400)])
    frame = frame.drop_duplicates(["strategy", "x", "seed", "measure"])  # one value a model: that of alpha 0
    figure = plots.curves(frame, over="rows")
    pool, bias = seen(figure)
    assert [pool.get_xscale(), bias.get_xscale()] == ["log"] * 2 and pool.get_xlabel() == "training rows"
    assert line(pool, "mono mean") == line(pool, "cross mean") == [[100.0, 200.0, 400.0], [0.1] * 3]
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == ["mono", "cross"]


def face(axes: Axes, nth: int = 0) -> str:
    """Whether the nth difference of a panel is drawn filled, half filled or hollow."""
    drawn = [one for one in axes.lines if one.get_label() == "mean"][nth]
    return (
        "half" if drawn.get_fillstyle() == "left" else "hollow" if drawn.get_markerfacecolor() == "white" else "filled"
    )


def test_differences_show_both_intervals_and_fill_by_what_is_established() -> None:
    mono, pool, bias = seen(plots.curve_differences(differences("x", 0.25)))
    assert line(pool, "questions")[1] == [0.05, 0.2] and line(pool, "trainings")[1] == [0.03, 0.18]
    assert all(math.isnan(value) for value in line(mono, "trainings")[1])
    assert [face(ax) for ax in (mono, pool, bias)] == ["hollow", "filled", "half"] and line(bias, "mean")[1] == [-9.0]
    chosen = plots.curve_differences(differences("x", 0.25).assign(all_low=-0.5, all_high=0.5))
    assert line(seen(chosen)[1], "trainings")[1] == [-0.5, 0.5] and "any α that is picked" in legend_title(chosen)
    below = seen(plots.pair_batches(FRAMES["pair_batches"]))[2:]
    assert [line(ax, "mean")[0] for ax in below] == [[0.1], [-9.0]] and [face(ax) for ax in below] == ["filled", "half"]


def test_language_pairs_are_the_frame_and_hatch_what_is_missing() -> None:
    figure = plots.language_pairs(PAIR_FRAME)
    mono, cross, bar = seen(figure)
    assert [ax.get_title() for ax in (mono, cross)] == [
        "mono\nmono 0.850, cross 0.150",
        "cross\nmono 0.700, cross 0.550",
    ]
    assert np.array_equal(grid(mono), [[0.9, 0.1], [0.2, 0.8]])
    assert np.array_equal(grid(cross), [[0.7, 0.6], [0.5, np.nan]], equal_nan=True)
    assert [text.get_text() for text in mono.texts] == [".90", ".10", ".20", ".80"]
    assert cross.patch.get_hatch() and not mono.patch.get_hatch()
    assert bar.get_ylabel() == "mean AP" and (mono.get_xlabel(), mono.get_ylabel()) == (
        "passage language",
        "query language",
    )
    with pytest.raises(InputError, match="measure"):
        plots.language_pairs(PAIR_FRAME.assign(measure=["AP", "RR"] * 4))


def test_pair_difference_is_centred_at_zero() -> None:
    pairs = [("ar", "ar", -0.2), ("ar", "de", 0.5), ("de", "ar", 0.3)]
    frame = pd.DataFrame(pairs, columns=["query_language", "passage_language", "value"])
    figure = plots.pair_difference(frame, "cross", "mono")
    axes = seen(figure)[0]
    assert np.allclose(grid(axes), [[-0.2, 0.5], [0.3, np.nan]], equal_nan=True)
    assert [text.get_text() for text in axes.texts if text.get_text()] == ["−.20", "+.50", "+.30"]
    norm = axes.collections[0].norm
    assert (norm.vmin, norm.vmax) == pytest.approx((-0.5, 0.5)) and norm(0.0) == 0.5
    assert figure.get_suptitle() == "Difference in AP: cross minus mono"
    with pytest.raises(InputError, match="column 'strategy' holds cross, mono"):
        plots.pair_difference(PAIR_FRAME, "cross", "mono")


def test_pair_difference_greys_out_what_is_not_shown_and_is_bold_beyond_these_trainings() -> None:
    frame = pd.DataFrame(
        [("ar", "ar", 0.01, ""), ("ar", "de", 0.5, "*"), ("de", "ar", -0.3, "°")],
        columns=["query_language", "passage_language", "value", "mark"],
    )
    plain = plots.pair_difference(frame.drop(columns="mark"))
    assert not seen(plain)[0].patches and plain.get_supxlabel() == "hatched: no judged query"
    figure = plots.pair_difference(frame.assign(family="3 comparisons: language pairs, AP"))
    axes = seen(figure)[0]
    assert [(cell.get_xy(), cell.get_facecolor()[0] > 0.85) for cell in axes.patches] == [((0, 0), True)]
    colours = {text.get_text(): text.get_color() for text in axes.texts}
    assert colours["+.01"] == "#6e6e6e" != colours["+.50"]
    weights = {text.get_text(): text.get_fontweight() for text in axes.texts if text.get_text()}
    assert weights == {"+.01": "normal", "+.50": "bold", "−.30": "normal"}
    assert np.array_equal(grid(axes), grid(seen(plain)[0]), equal_nan=True)
    assert "bold: over other trainings too" in figure.get_supxlabel()
    assert figure.get_supxlabel().endswith("(Holm’s correction: 3 comparisons: language pairs, AP)")


def test_effects_are_filled_by_their_mark_also_after_a_round_through_a_file(tmp_path: Path) -> None:
    from hybridkit.plots.figure_files import draw

    drawn = draw(tmp_path, "one", plots.effects, FRAMES["effects"], "", baseline="mono")
    for figure in (plots.effects(FRAMES["effects"], "mono"), drawn):
        left, right = seen(figure)
        assert (left.get_title(), right.get_title()) == ("monolingual", "language bias")
        assert ticks(left) == ["cross", "hybrid α = 0.5", "hybrid α = 0.5\n− cross"]
        assert [face(left, nth) for nth in range(3)] == ["half", "hollow", "filled"] and face(right) == "filled"
        means = [one.get_xdata().tolist() for one in left.lines if one.get_label() == "mean"]
        assert means == [[-0.1], [0.02], [0.12]] and line(right, "mean")[0] == [-90.0]
        assert line(left, "questions")[0] == [-0.2, -0.05] and line(left, "trainings")[0] == [-0.3, 0.01]
        shown = legend(figure)
        assert {"differs over other trainings too (*)", "no difference shown"} <= set(shown) and len(shown) == 5
        assert left.get_xlabel() == "Δ mean AP\nbetter →" and right.get_xlabel().endswith("\n← better")
    with pytest.raises(InputError, match="no rows of 'RR'"):
        plots.effects(FRAMES["effects"].iloc[:2], measure="RR")


def test_exposure_has_a_panel_a_side_and_a_marker_a_strategy() -> None:
    sources, languages = seen(plots.exposure(FRAMES["exposure"]))
    assert [panel.get_title() for panel in (sources, languages)] == ["source", "query language"]
    assert [tick.get_text() for tick in languages.get_yticklabels()] == ["ar", "th"]
    drawn = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in sources.lines}
    assert drawn == {"mono": pytest.approx([50, 50]), "cross": pytest.approx([52, 48])}


def test_batch_composition_leaves_never_drawn_pairs_out_of_the_scale() -> None:
    mono, cross, _ = seen(plots.batch_composition(FRAMES["batch_composition"]))
    assert np.array_equal(grid(mono), [[0.5, np.nan], [np.nan, 0.5]], equal_nan=True)
    assert (mono.get_title(), cross.get_title()) == ("mono\n100 % same language", "cross\n0 % same language")


def test_plan_languages_draw_shares_in_their_intervals_and_ring_what_lies_outside() -> None:
    mono, cross = seen(plots.plan_languages(FRAMES["plan_languages"]))
    assert [ax.get_title() for ax in (mono, cross)] == ["hybrid α = 0.5\nmono batches", "hybrid α = 0.5\ncross batches"]
    drawn = [([float(x) for x in line.get_xdata()], line.get_markeredgecolor()) for line in mono.lines]
    assert [places for places, _ in drawn] == [[0.3, 0.7], [0.4], [0.3, 0.7], [0.8]]
    assert (drawn[1][1], drawn[3][1]) == (palette.SIDE_COLOURS["query"], "#CC0000")
    assert len(cross.lines) == 4


def test_batch_examples_show_the_first_six_batches_tile_by_tile() -> None:
    axes = seen(plots.batch_examples(FRAMES["batch_examples"]))[0]
    assert len(axes.patches) == 6 * 3 * 2 and [text.get_text() for text in axes.texts] == ["ar", "de"] * 18


def test_coverage_and_lengths_are_the_frame() -> None:
    atlas, mlqa = seen(plots.coverage(FRAMES["coverage"]))
    assert [bar.get_width() for bar in atlas.patches] == [30, 40, 20, 10]
    assert [bar.get_width() for bar in mlqa.patches] == [0, 7, 0, 7]
    axes = seen(plots.text_lengths(FRAMES["text_lengths"]))[0]
    assert axes.get_xlabel() == "length (characters)"
    assert {tuple(drawn.get_xdata()) for drawn in axes.lines} >= {(30.0, 30.0), (20.0, 10.0), (45.0, 90.0)}


def test_loss_and_ap_has_a_panel_a_setting_and_its_correlations() -> None:
    axes = seen(plots.loss_and_ap(FRAMES["loss_and_ap"]))
    assert [ax.get_ylabel() for ax in axes] == ["AP, mono", "AP, cross", "AP, pool"]
    assert axes[2].get_title() == "mixed languages\nmodels: −1.00 (−1.00)\nmeans: −1.00 (−1.00)"  # noqa: RUF001
    two = FRAMES["loss_and_ap"].query("strategy in ('cross', 'mono', 'untrained')")  # of three means one is untrained
    title = seen(plots.loss_and_ap(two))[2].get_title()
    assert title == "mixed languages\nmodels: −1.00 (−1.00)\nmeans: (−1.00)"  # noqa: RUF001


def test_loss_curves_mean_over_seeds() -> None:
    axes = seen(plots.loss_curves(FRAMES["loss_curves"], span=1))[0]
    assert line(axes, "mono") == [[1.0, 2.0, 3.0], [3.5, 2.5, 1.5]] and len(axes.lines) == 3
    assert axes.get_title() == "mono batches" and axes.get_ylabel() == "InfoNCE loss (nats)"


def test_rank_distance_by_language_and_mean() -> None:
    left, right = seen(plots.rank_distance(FRAMES["rank_distance"]))
    assert line(left, "cross")[0] == [300.0, 300.0]  # 290, 300, 310
    assert line(right, "mono") == [[410.0], [0.0]]
    assert line(right, "mono interval")[0] == pytest.approx([410 - 24.84138, 410 + 24.84138], abs=1e-4)
    assert left.get_xlabel() == "rank distance (ranks)\n← better"


def test_language_share_is_shown_once_as_a_ratio_with_its_interval_above_zero() -> None:
    frame = FRAMES["language_share"]
    (axes,) = seen(plots.language_share(frame))
    assert line(axes, "mono")[0] == [-1.0, round(math.log2(0.8 / 0.6), 6)]  # log2 of a half and of 4/3
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.5", "0.67", "0.8", "1", "1.25", "1.5", "2"]
    figure = plots.language_share(frame.assign(share=frame["share"] * (1 + frame["seed"] / 10)))
    logs = np.log2([0.5, 0.55, 0.6])
    interval = t_interval(logs)
    assert interval and line(seen(figure)[0], "mono interval")[0] == pytest.approx(interval[1:], abs=1e-5)
    assert legend_title(figure) == "expected: 40 to 60 % of the top 10; mean over seeds and 95 % t interval"


def test_bias_panel_draws_chance_where_it_is_near_and_says_it_elsewhere() -> None:
    distance, gap, fairness, probe = seen(plots.bias_panel(FRAMES["bias_panel"]))
    assert [ax.get_title() for ax in (distance, probe)] == ["rank distance", "language probe"]
    assert line(distance, "mono")[0] == [200.1] and ticks(distance) == ["mono", "cross"]
    assert distance.get_xlabel() == "ranks\n← better; chance: 9,000"
    assert line(fairness, "chance")[0] == [0.5, 0.5] and fairness.get_xlabel().endswith("\nbetter →")
    assert "chance" not in [drawn.get_label() for drawn in gap.lines]
    assert probe.get_xlabel() == "accuracy\nneither is better"


def test_language_maps_share_a_scale_and_name_their_axes() -> None:
    mono, cross = seen(plots.language_map(FRAMES["language_map"]))
    # the mean square of a map is the variance that it shows: .8 of 2/9 and of .5/9, so that spreads compare
    for ax, name, variance in ((mono, "mono", 2 / 9), (cross, "cross", 0.5 / 9)):
        xs, ys = np.array(line(ax, name))
        assert (xs**2 + ys**2).mean() == pytest.approx(0.8 * variance, abs=1e-5)
    assert sorted(text.get_text() for text in cross.texts) == ["ar", "de", "en"]
    assert np.ptp(mono.get_xlim()) == pytest.approx(np.ptp(cross.get_xlim())) == np.ptp(cross.get_ylim())
    assert (mono.get_xlabel(), mono.get_ylabel()) == ("first axis", "second axis")
    assert cross.get_title().endswith("5.6% of the variance by language\nplane shows 80%")


def test_names_on_a_map_overlap_neither_each_other_nor_the_points() -> None:
    tags = ["en", "tr", "de", "es", "ru", "hi", "ar", "th", "vi", "el", "zh"]
    near = [(0.02 * (at % 4), 0.02 * (at // 4)) for at in range(10)] + [(1.0, 1.0)]  # ten on one another, one far out
    frame = pd.DataFrame([("mono", tag, *xy, 0.8, 0.1) for tag, xy in zip(tags, near, strict=True)])
    frame.columns = FRAMES["language_map"].columns
    figure = plots.language_map(frame)
    FigureCanvasAgg(figure).draw()
    (axes,) = seen(figure)
    boxes = [matplotlib.text.Text.get_window_extent(text) for text in axes.texts]
    assert not [1 for one, two in itertools.combinations(boxes, 2) if one.overlaps(two)]
    dots = axes.transData.transform(np.array(line(axes, "mono")).T)
    assert not [1 for box in boxes for dot in dots if box.contains(*dot)]
    assert all(axes.get_window_extent().contains(*box.p0) for box in boxes)


def test_published_distances_have_one_scale_and_its_name() -> None:
    rows = [
        (benchmark, "pool", "XLM-R", name, "rank_distance", value, "2408.10536")
        for benchmark, values in (("xquad-r", (200.0, 410.0)), ("mlqa-r", (300.0, 500.0)))
        for name, value in zip(("cross", "mono"), values, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=FRAMES["published"].columns)
    first, second = seen(plots.published(frame))
    assert first.get_xlim() == second.get_xlim() and {first.get_xscale(), second.get_xscale()} == {"linear"}
    assert second.get_xlabel() == "rank distance (ranks)\n← better"
    _, second = seen(plots.published(frame.assign(value=frame["value"] * [1, 10, 1, 1])))
    assert second.get_xscale() == "log" and second.get_xlabel() == "rank distance (ranks, log scale)\n← better"


def test_published_numbers_are_hollow_and_ours_filled() -> None:
    axes = seen(plots.published(FRAMES["published"]))[0]
    filled = {
        str(drawn.get_label()): drawn.get_markerfacecolor() != "none"
        for drawn in axes.lines
        if drawn.get_marker() != "None"
    }
    assert {drawn.get_color() for drawn in axes.lines if drawn.get_marker() != "None"} == {palette.INK}
    assert filled == {"XLM-R, 2408.10536": False, "e5-small, this study": True}
    assert line(axes, "XLM-R, 2408.10536")[0] == [0.548]


@pytest.mark.parametrize("name", FRAMES)
def test_figures_fit_a_page_and_have_a_title_and_no_letter_below_7_points(name: str) -> None:
    figure = plots.FIGURES[name](FRAMES[name])
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_visible() and text.get_text().strip()]
    assert figure.get_figwidth() <= style.WIDTH and min(text.get_fontsize() for text in texts) >= style.DIGITS
    assert name == "sample_row" or figure.get_suptitle()


def test_the_numbers_of_eleven_languages_fit_their_cells_at_page_width() -> None:
    pairs = list(itertools.product(ROW, ROW))
    frame = pd.DataFrame([(name, *pair, 0.88) for name in labels_of(7) for pair in pairs], columns=PAIR_FRAME.columns)
    figure = plots.language_pairs(frame)
    axes = seen(figure)[0]
    cell = axes.get_window_extent().width / 11
    assert max(text.get_window_extent().width for text in axes.texts) < 0.95 * cell
    assert len([ax for ax in figure.axes if not ax.axison]) == 1  # the colour bar is in an empty cell of the grid


def labels_of(count: int) -> list[str]:
    return [f"hybrid(alpha={nth / 10})" for nth in range(1, count + 1)]


def test_no_difference_far_out_sets_the_scale_of_the_others() -> None:
    columns = FRAMES["effects"].columns
    rows = [(0.02, "*"), (0.004, ""), (-0.03, "°"), (-0.34, "*")]
    frame = pd.DataFrame(
        [
            (f"hybrid(alpha={nth / 10})", "mono", "pool", "AP", value, *[value - 0.01, value + 0.01] * 2, mark)
            for nth, (value, mark) in enumerate(rows)
        ],
        columns=columns,
    )
    figure = plots.effects(frame, "mono")
    (axes,) = seen(figure)
    assert axes.get_xlim()[0] > -0.1 and [text.get_text() for text in axes.texts] == ["← −0.34*"]  # noqa: RUF001
    assert "arrow: a difference beyond the axis" in legend_title(figure)
    assert not seen(plots.effects(frame.iloc[:3], "mono"))[0].texts


def test_settings_draw_the_same_difference_with_the_same_length_within_the_range() -> None:
    frame = scores(3).assign(value=lambda found: found["value"].where(found["setting"] != "mono", 0.9))
    axes = seen(plots.settings(frame))
    assert len({round(float(np.ptp(ax.get_xlim())), 6) for ax in axes}) == 1
    assert all(
        len([tick for tick in ax.get_xticks() if low <= tick <= high]) >= 3
        for ax in axes
        for low, high in [ax.get_xlim()]
    )
    (wide,) = seen(plots.settings(frame[frame["setting"] == "pool"].assign(value=lambda one: one["value"] * 1.5)))
    assert line(wide, "mono interval")[0][1] == 1.0  # .75, .9, 1.05 would go on to 1.27
    text = plots.settings(frame.assign(benchmark="xquad-r[16:]")).get_supxlabel()
    assert "xquad-r[16:]: articles 17 and later of xquad-r" in text


def test_diversity_intervals_end_at_the_range_and_lines_join_what_has_an_interval() -> None:
    wide = DIVERSITY.assign(value=[0.1, 0.9, 0.2, 0.85] * 6 + [0.9, 0.7, 0.05])
    figure = plots.diversity_curve(wide)
    for ax in seen(figure):
        ends = [end for drawn in ax.lines if drawn.get_label() == "mono interval" for end in drawn.get_ydata()]
        assert ends and min(ends) >= 0 and max(ends) <= 1
        assert ax.get_ylim() == seen(figure)[0].get_ylim() and ax.get_ylim()[1] >= 0.9
    difference = wide[wide["strategy"] == "mono"].assign(value=lambda found: found["value"] * 1.1)
    ends = [drawn.get_ydata() for ax in seen(plots.diversity_interaction(difference)) for drawn in ax.lines[1:]]
    assert max(map(max, ends)) <= 1.0
    joined = [drawn for drawn in seen(figure)[0].lines if drawn.get_label() == "mono line"]
    assert len(joined) == 3 and figure.legends[0].get_lines()[0].get_linestyle() == "-"
    few = plots.diversity_curve(DIVERSITY[~DIVERSITY["languages"].str.endswith(("2", "3"))])
    assert not [drawn for ax in seen(few) for drawn in ax.lines if drawn.get_label() == "mono line"]
    assert few.legends[0].get_lines()[0].get_linestyle() == "None" != few.legends[0].get_lines()[0].get_marker()


def test_points_of_one_size_stay_nearer_to_it_than_to_the_next() -> None:
    frame = DIVERSITY[DIVERSITY["strategy"] == "mono"]
    four = pd.concat([frame.assign(seen=name) for name in palette.SEEN])
    (axes,) = seen(plots.diversity_interaction(four))
    at = [x for drawn in axes.lines if "random" in str(drawn.get_label()) for x in drawn.get_xdata()]
    assert max(abs(x - round(x)) for x in at) < 0.5 and {round(x) for x in at} == {0, 1, 2}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "4", "5"]
    assert all(axes.get_xlim()[0] < tick < axes.get_xlim()[1] for tick in axes.get_xticks())


def test_a_smoothed_loss_does_not_begin_at_a_single_batch() -> None:
    steps = [0.1] + [2.0] * 39
    frame = pd.DataFrame([("mono", 0, step, "mono", loss) for step, loss in enumerate(steps)])
    frame.columns = FRAMES["loss_curves"].columns
    xs, ys = line(seen(plots.loss_curves(frame))[0], "mono")
    assert xs[0] == 5.0 and ys[0] > 1.5


def test_bias_panels_are_grouped_by_what_is_better() -> None:
    panel = FRAMES["bias_panel"]
    found = [ax.get_xlabel().splitlines()[1].split(";")[0] for ax in seen(plots.bias_panel(panel))]
    assert found == ["← better", "← better", "better →", "neither is better"]
    figure = plots.bias_panel(panel)
    FigureCanvasAgg(figure).draw()
    names = [tick.get_window_extent().x0 for tick in seen(figure)[0].get_yticklabels()]
    assert min(names) > 2 and "PEER: probability of equal expected rank" in figure.get_supxlabel()


@pytest.mark.parametrize(("least", "step"), [(0.004851, 1e-5), (0.999271, 1e-6), (5.5e-5, 1e-6), (10801, 7)])
def test_labels_of_a_small_panel_do_not_touch_where_values_hardly_differ(least: float, step: float) -> None:
    panel = FRAMES["bias_panel"]
    panel = panel[panel["measure"] == "rank distance"].assign(value=lambda one: least + step * one["value"] / 100)
    figure = plots.bias_panel(pd.concat([panel.assign(measure=name) for name in ("one", "two", "three")]))
    FigureCanvasAgg(figure).draw()
    for ax in seen(figure):
        low, high = ax.get_xlim()
        labels = zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        shown = [label.get_window_extent() for at, label in labels if low <= at <= high]
        assert len(shown) > 1 and all(left.x1 < right.x0 for left, right in itertools.pairwise(shown))
        assert not ax.xaxis.get_offset_text().get_text()


def test_shares_and_ranks_are_labelled_at_the_lower_end() -> None:
    *_, bar = seen(plots.batch_composition(FRAMES["batch_composition"]))
    assert bar.get_yticklabels()[0].get_text() == "0.3 %"
    bias = seen(
        plots.curves(alphas(3).assign(value=lambda one: one["value"] + (one["measure"] == "rank_distance") * 50))
    )[-1]
    assert bias.get_yscale() == "log" and "log scale" in bias.get_ylabel()


def test_four_panels_are_two_and_two() -> None:
    assert [ax.get_subplotspec().rowspan.start for ax in seen(style.many(4, 1, 1)[0])] == [0, 0, 1, 1]


def test_long_claims_end_before_their_verdicts() -> None:
    frame = pd.DataFrame([(1, "wide WWW " * 40, source, "holds") for source in ("a", "b")])
    frame.columns = FRAMES["claims"].columns
    figure = plots.claims(frame)
    FigureCanvasAgg(figure).draw()
    (axes,) = seen(figure)
    assert axes.get_yticklabels()[0].get_window_extent().x1 < axes.get_window_extent().x0


def test_no_colour_means_a_strategy_and_something_else() -> None:
    names = ["untrained", "english", "mixed", "mono", "cross", "cross(pairs='one')", "hybrid(alpha=0.5)"]
    names += [f"codeswitch({base})" for base in ("english", "mono", "cross", "hybrid(alpha=0.5)")]
    strategies = {palette.colour(name) for name in names}
    assert len(strategies) == len(names)
    others = {*palette.SIDE_COLOURS.values(), palette.INK, *(shade for shade, _, _ in palette.SEEN.values())}
    assert not others & strategies and not others & set(palette._OTHERS) and not set(palette._OTHERS) & strategies
    for name in ("curves", "curve_differences", "published", "coverage", "text_lengths", "diversity_interaction"):
        figure = plots.FIGURES[name](FRAMES[name])
        used = {matplotlib.colors.to_hex(drawn.get_color()).upper() for ax in seen(figure) for drawn in ax.lines}
        assert not used & (strategies - {palette.colour("untrained")})


def test_every_collection_has_a_panel_of_its_own() -> None:
    both = FRAMES["diversity_collections"]
    assert [ax.get_title() for ax in seen(plots.diversity_collections(both))] == ["judged\nmono", "judged, pool\nmono"]
    parts = pd.concat([both, both.assign(benchmark="folder/judged[fi]", value=0.95)])
    figure = plots.diversity_collections(parts[parts["setting"] == "mono"])
    assert [ax.get_title() for ax in seen(figure)] == ["judged[de,en]\nmono", "judged[fi]\nmono"]
    drawn = [max(max(line.get_ydata()) for line in ax.lines) for ax in seen(figure)]
    assert drawn[0] < drawn[1] == 0.95


def test_strategies_keep_order_and_colour_whatever_is_shown() -> None:
    names = [
        "untrained",
        "english",
        "mixed",
        "mono",
        "cross",
        *(f"hybrid(alpha={alpha})" for alpha in (0.25, 0.5, 0.75)),
    ]
    assert labels.order(reversed(names)) == names
    assert len({palette.colour(name) for name in names}) == len(names)
    assert palette.colour("codeswitch(mono)") != palette.colour("mono")


@pytest.mark.parametrize("tag", ROW)
def test_bundled_fonts_have_every_character_of_the_languages(tag: str) -> None:
    for text in (*ROW[tag], language(tag).endonym, language_label(tag)):
        assert style.covers(text), [hex(ord(character)) for character in text if not style.covers(character)]
    assert language_label(tag).endswith(f"  {tag}")


def test_a_character_without_a_glyph_warns_and_does_not_crash(tmp_path: Path) -> None:
    figure = Figure()
    figure.text(0.5, 0.5, "తెలుగు", fontfamily=style.fonts())
    with pytest.warns(UserWarning, match="missing from font"):
        plots.save(figure, tmp_path, "telugu")


def test_text_is_shaped() -> None:
    """Devanagari's conjunct and Arabic's joined letters are narrower than their characters apart."""
    figure = Figure()

    def width(text: str) -> float:
        return float(figure.text(0, 0, text, fontfamily=style.fonts("Deva")).get_window_extent().width)

    assert width("क्ष") < 0.9 * (width("क") + width("ष"))
    assert width("ببب") < 0.8 * 3 * width("ب")


def test_lines_break_where_the_script_allows() -> None:
    assert pieces("two words") == ["two ", "words"]
    assert pieces("首都（柏林）。") == ["首", "都", "（柏", "林）。"]
    assert pieces("น้ำที่") == ["น้ำ", "ที่"]
    figure = Figure()
    for tag, (_, passage) in ROW.items():
        lines = wrap(figure, passage, tag, width=1.5, size=8)
        assert len(lines) > 1
        shown = "".join(lines).replace("\u200f", "")
        assert shown.replace(" ", "") == passage.replace(" ", "")
        assert all(drawn.startswith("\u200f") for drawn in lines) == (language(tag).direction == "rtl")
    short = wrap(figure, "word " * 100, "en", width=1.0, size=8, most=2)
    assert len(short) == 2 and short[-1].endswith("…")


def test_bundled_fonts_are_small_and_carry_their_licence() -> None:
    folder = style.FONTS
    assert sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".ttf", ".otf")) < 1_500_000
    assert "SIL OPEN FONT LICENSE" in (folder / "OFL.txt").read_text(encoding="utf-8")
